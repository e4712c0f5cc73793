"""Puts the runner's sources where the engine finds them: in a folder that has one path for both, named by its content."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from sandbox.docker_vessel import RUNNER


def place_runner(folder: Path) -> Path:
    """A copy of the runner below `folder`; another version is another copy, and boxes of both may run."""
    sources = sorted(RUNNER.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in sources)).hexdigest()
    target = folder / digest
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=folder, prefix=".building-"))
    for path in sources:
        shutil.copyfile(path, building / path.name)
    building.chmod(0o755)
    try:
        building.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(building)  # another worker was first; equal names are equal contents
    return target
