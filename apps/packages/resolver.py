"""From wishes to a lock: runs uv to find exact files, and says in plain words why when it cannot.

Runs nothing that comes from a package: wheels only, no builds, an environment of its own, limits on time and memory.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from apps.core.errors import Unavailable
from apps.packages.diagnosis import ResolutionFailed, Unresolvable, find_reason
from apps.packages.index import IndexUnreachable, PackageIndex
from apps.packages.locks import Distribution, Lock
from apps.packages.requirements import DirectRequirement
from apps.packages.target import Target

# A person has to read the tree before voting; nobody reads more than this.
MOST_DISTRIBUTIONS = 150
_MEMORY = 4 * 1024**3  # address space, which uv's threads and its cache's mappings take generously
_OUTPUT = 8 * 1024 * 1024
# What uv needs to reach the index; everything else of this process's environment stays out.
_PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


class ResolverBroken(Unavailable):
    """uv itself failed: missing, killed by a limit, or in a way that says nothing about the packages."""

    code = "resolver_broken"


class ResolverTimedOut(ResolverBroken):
    code = "resolver_timed_out"


class NeedsAddress(ResolutionFailed):
    """Something in the tree wants a file from an address instead of the index."""

    code = "needs_address"


class TooManyDistributions(ResolutionFailed):
    code = "too_many_distributions"


@dataclass(frozen=True)
class Resolver:
    """How to resolve: the index, the target and the limits. One object may serve many calls and threads."""

    index: PackageIndex
    cache: Path
    target: Target = field(default_factory=Target)
    cooldown: timedelta = timedelta(days=7)
    seconds: float = 120.0

    def resolve(self, requirements: Sequence[DirectRequirement], *, now: datetime) -> Lock:
        """Find the newest files that satisfy all requirements and are older than the cooldown.

        Raises: a subclass of ResolutionFailed; IndexUnreachable; ResolverBroken.
        """
        newest_upload = now.astimezone(UTC) - self.cooldown if self.cooldown else None
        with tempfile.TemporaryDirectory(prefix="resolve-") as folder:
            outcome = self._run_uv(Path(folder), requirements, newest_upload)
            if outcome.succeeded:
                return self._read(outcome.lock)
        raise self._explain(requirements, outcome.said, newest_upload)

    def _run_uv(self, folder: Path, requirements: Sequence[DirectRequirement], newest_upload: datetime | None) -> "_Said":
        wishes, result, complaint = folder / "requirements.in", folder / "pylock.toml", folder / "stderr"
        wishes.write_text("".join(f"{each}\n" for each in requirements))
        command = self._command(wishes, result, newest_upload)
        with complaint.open("wb") as stderr:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=self._environment(folder),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as problem:
                raise ResolverBroken(f"The resolver cannot be started: {command[0]}.") from problem
            status = self._wait(process)
        with complaint.open("rb") as stderr:
            said = stderr.read(_OUTPUT).decode("utf-8", "replace")
        return _Said(status == 0, said, result.read_bytes() if status == 0 else b"")

    def _command(self, wishes: Path, result: Path, newest_upload: datetime | None) -> list[str]:
        uv = Path(sys.executable).with_name("uv")
        limit = ["--exclude-newer", newest_upload.strftime("%Y-%m-%dT%H:%M:%SZ")] if newest_upload else []
        return [
            str(uv), "pip", "compile", str(wishes), "--output-file", str(result), "--format", "pylock.toml",
            "--no-config", "--no-sources", "--only-binary", ":all:", "--prerelease", "explicit",
            "--generate-hashes", "--no-header",
            "--default-index", self.index.url, "--keyring-provider", "disabled",
            "--python", sys.executable, "--no-python-downloads",
            "--python-version", self.target.python, "--python-platform", self.target.platform,
            "--cache-dir", str(self.cache), "--color", "never", "--no-progress", *limit,
        ]  # fmt: skip

    def _environment(self, folder: Path) -> dict[str, str]:
        names = () if self.index.is_loopback else _PASSED_ON
        passed = {key: value for key, value in os.environ.items() if key.upper() in names or key == "SSL_CERT_FILE"}
        return {**passed, "HOME": str(folder), "PATH": "/usr/bin:/bin", "UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "20"}

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        cpu_seconds = int(self.seconds) + 1
        try:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        except ProcessLookupError:
            pass  # it has ended already; the status below tells how
        try:
            return process.wait(self.seconds)
        except subprocess.TimeoutExpired as problem:
            raise ResolverTimedOut(f"Resolving took more than {self.seconds:.0f} seconds.") from problem
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _read(self, lock: bytes) -> Lock:
        packages = tomllib.loads(lock.decode()).get("packages", [])
        if len(packages) > MOST_DISTRIBUTIONS:
            raise TooManyDistributions(
                f"This would bring in {len(packages)} packages; nobody can judge more than {MOST_DISTRIBUTIONS}.",
                most=MOST_DISTRIBUTIONS,
            )
        found = sorted(self._distribution(each) for each in packages)
        return Lock(tuple(found), self.target.python, self.target.platform, self.index.url)

    def _distribution(self, package: dict[str, Any]) -> Distribution:
        name, version = canonicalize_name(package["name"]), package.get("version")
        wheels = [(rank, wheel) for wheel in package.get("wheels", ()) if (rank := self._rank(wheel)) is not None]
        if not version or not wheels:
            raise Unresolvable(f"The resolver found no wheel of “{name}” that runs in the sandbox.", name=name)
        wheel = min(wheels, key=lambda each: each[0])[1]
        self.index.check_address(wheel["url"])
        uploaded_at = wheel.get("upload-time")
        return Distribution(
            name=name,
            version=version,
            filename=_filename(wheel),
            sha256=wheel["hashes"]["sha256"],
            url=wheel["url"],
            uploaded_at=uploaded_at.isoformat() if uploaded_at else None,
        )

    def _rank(self, wheel: dict[str, Any]) -> int | None:
        if "sha256" not in wheel.get("hashes", {}) or "url" not in wheel:
            return None
        try:
            return self.target.rank(parse_wheel_filename(_filename(wheel))[3])
        except InvalidWheelFilename:
            return None

    def _explain(
        self, requirements: Sequence[DirectRequirement], said: str, newest_upload: datetime | None
    ) -> ResolutionFailed | IndexUnreachable | ResolverBroken:
        reason = find_reason(
            requirements,
            index=self.index,
            target=self.target,
            newest_upload=newest_upload,
            cooldown=self.cooldown,
        )
        if reason is not None:
            return reason
        words = _shortened(said)
        if "No solution found" in said:
            return Unresolvable(f"The packages cannot be had together. {words}")
        if "URL dependency" in said or "URL dependencies" in said:
            return NeedsAddress(f"A package in the tree wants a file from outside the index. {words}")
        if "Failed to fetch" in said or "error sending request" in said:
            return IndexUnreachable(f"The package index at {self.index.url} cannot be reached.", resolver=words)
        return ResolverBroken("The resolver stopped without an answer.", resolver=words)


@dataclass(frozen=True)
class _Said:
    succeeded: bool
    said: str
    lock: bytes


def _filename(wheel: dict[str, Any]) -> str:
    return str(wheel.get("name") or wheel["url"].rpartition("/")[2])


def _shortened(said: str) -> str:
    """uv's own explanation without its frame, at most 1,000 characters."""
    lines = [line.strip().removeprefix("cause: ") for line in said.splitlines() if not line.startswith("error:")]
    return " ".join(line for line in lines if line and not line.startswith("hint:"))[:1000]
