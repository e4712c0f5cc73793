"""The runner's sources: what names them, and a copy where the engine finds them, in a folder that has one path for both."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from sandbox.docker_vessel import RUNNER


def runner_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a runner's sources."""
    sources = sorted(folder.glob("*.py"))
    return hashlib.sha256(b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in sources)).hexdigest()


def place_runner(folder: Path) -> Path:
    """A copy of the runner below `folder`; another version is another copy, and boxes of both may run."""
    target = folder / runner_digest(RUNNER)
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=folder, prefix=".building-"))
    for path in RUNNER.glob("*.py"):
        shutil.copyfile(path, building / path.name)
    building.chmod(0o755)
    try:
        building.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(building)  # another worker was first; equal names are equal contents
    return target
