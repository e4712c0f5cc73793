"""What a box is asked to do: plain values, checked when they are made, so that nothing half-right is ever sent."""

import hmac
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from sandbox.egress.targets import parse_grant
from sandbox.errors import InvalidJob

MIB = 1 << 20

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_FILE_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,200}\Z")
# So that nobody who reads a kind, which is part of a container's name, can try out what secrets may have gone into it.
_SALT = os.urandom(32)
_OF_ONE_JOB = ("arguments", "files")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class BoxSize:
    """What is fixed when a box is made and cannot be changed for a job. Bytes; cores."""

    memory_bytes: int = 256 * MIB
    scratch_bytes: int = 64 * MIB
    cores: float = 1.0

    def __post_init__(self) -> None:
        # gVisor's own kernel takes 19 to 28 MiB of the box's memory (measured): less than 64 MiB starts nothing useful.
        if self.memory_bytes < 64 * MIB:
            raise InvalidJob("A box needs at least 64 MiB of memory.")


@dataclass(frozen=True)
class Limits:
    """What one job may use. What each of them means, and how high it may go, stands in `limits.LIMITS`."""

    wall_seconds: float = 30
    cpu_seconds: int = 20
    memory_bytes: int = 256 * MIB
    processes: int = 64
    open_files: int = 1024
    scratch_bytes: int = 64 * MIB
    output_bytes: int = 1 * MIB
    result_bytes: int = 1 * MIB
    artifact_bytes: int = 10 * MIB
    artifact_files: int = 20
    spans: int = 2000
    requests: int = 1000
    cores: float = 1.0
    call_depth: int = 50
    model_tokens: int = 50_000
    model_cents: int = 50

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < float("inf") or (value == 0 and not name.startswith(("artifact", "model"))):
                raise InvalidJob(f"The limit {name} must be positive, not {value}.")

    @property
    def size(self) -> BoxSize:
        """The box that this job needs."""
        return BoxSize(memory_bytes=self.memory_bytes, scratch_bytes=self.scratch_bytes, cores=self.cores)


@dataclass(frozen=True)
class Source:
    """One function's source. `dependencies` are names of other sources of the same job.

    A dependency appears in this source's namespace under the last part of its name: `billing.parse` as `parse`. Of a discreet
    one, and of what it calls, neither arguments nor results are told.
    """

    name: str
    text: str
    entry: str
    dependencies: tuple[str, ...] = ()
    is_discreet: bool = False

    def __post_init__(self) -> None:
        if not _NAME.match(self.name) or not self.entry.isidentifier():
            raise InvalidJob(f"Not a function name: {self.name!r} with entry {self.entry!r}.")
        short = [name.rpartition(".")[2] for name in self.dependencies]
        if len(set(short)) < len(short):
            raise InvalidJob(f"Two dependencies of {self.name} would have the same name inside it: {sorted(short)}.")


@dataclass(frozen=True)
class Imports:
    """What a job will import, known before the job: the sources that say it, the packages that they need, and the limits that
    hold from the first import on: what runs before them could see to it that they never do.
    """

    sources: tuple[Source, ...]
    environment: str | None
    limits: Limits


@dataclass(frozen=True)
class InputFile:
    """A file that the job finds in `inputs/`: from the host's memory or from a path of the host."""

    name: str
    content: bytes | Path

    def __post_init__(self) -> None:
        if not _FILE_NAME.match(self.name) or self.name in (".", ".."):
            raise InvalidJob(f"Not a plain file name: {self.name!r}.")

    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def chunks(self, length: int) -> Iterator[bytes]:
        """The content in pieces of at most `length` bytes."""
        if isinstance(self.content, bytes):
            yield from (self.content[start : start + length] for start in range(0, len(self.content), length))
            return
        with self.content.open("rb") as stream:
            while piece := stream.read(length):
                yield piece


@dataclass(frozen=True)
class Job:
    """One call of one function. `sources` is the closure of what it calls, dependencies first; the last is the entry.

    `environment` is the digest of a package environment, a folder under the driver's environments. `secrets` are in the
    environment variables of the tool's process alone. `hosts` are what it may reach: `name`, which means port 443, or
    `name:port`; without any the box has no way out. `local_hosts` is the operator's list of names that may be at addresses
    which are not public. `shares_box`: it may follow a job of the same kind in a box that is kept. `imports_first`: what its
    sources import may be imported before it comes, so without its secrets, by the process that it will run in.
    """

    sources: tuple[Source, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    environment: str | None = None
    files: tuple[InputFile, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    hosts: tuple[str, ...] = ()
    local_hosts: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    shares_box: bool = False
    imports_first: bool = False

    def __post_init__(self) -> None:
        names = [source.name for source in self.sources]
        if not names or len(set(names)) < len(names):
            raise InvalidJob("A job needs sources, each with a name of its own.")
        for number, source in enumerate(self.sources):
            if unknown := set(source.dependencies) - set(names[:number]):
                raise InvalidJob(f"{source.name} depends on what the job does not bring before it: {sorted(unknown)}.")
        if self.environment is not None and not _DIGEST.match(self.environment):
            raise InvalidJob(f"Not the digest of an environment: {self.environment!r}.")
        for host in self.hosts:
            try:
                parse_grant(host)
            except ValueError as error:
                raise InvalidJob(str(error)) from None
        if len({file.name for file in self.files}) < len(self.files):
            raise InvalidJob("Two input files have the same name.")

    def kind(self, owner: str) -> str | None:
        """Equal for jobs of one owner that are alike in all but arguments, input files and time; None for one to which any box
        is the same.

        Of the limits only those count that are the box's, or with `imports_first` all that are set before its imports. Means
        nothing outside of this process.
        """
        if not (self.shares_box or self.imports_first):
            return None
        alike = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _OF_ONE_JOB}
        limits = replace(self.limits, wall_seconds=1) if self.imports_first else self.limits.size
        alike |= {"secrets": sorted(self.secrets.items()), "local_hosts": sorted(self.local_hosts), "limits": limits}
        return hmac.digest(_SALT, repr((owner, sorted(alike.items()))).encode(), "sha256").hex()

    @property
    def imports(self) -> Imports | None:
        """What may be imported before it comes."""
        return Imports(self.sources, self.environment, self.limits) if self.imports_first else None


@dataclass(frozen=True)
class BuildLimits:
    """What the making of one package environment may use. A pandas set: 3443 files, 110 MiB, 10 s of compiling (measured)."""

    wall_seconds: float = 600
    memory_bytes: int = 1024 * MIB
    output_bytes: int = 2048 * MIB
    files: int = 100_000
