"""The image of the boxes: a minimal Debian with Python, made here from packages because no registry of images is needed then."""

from __future__ import annotations

import hashlib
import json
import platform as standard_platform
import tempfile

from .progress import Step
from .setup import Setup

MIRROR = "http://deb.debian.org/debian"
SUITE = "trixie"
PACKAGES = ("python3",)
BUILD_FOLDER = "/var/tmp"  # on the disk; /tmp may be in memory and forbid the device files that debootstrap makes

# Runs as root in a mount namespace of its own: whatever debootstrap mounts is gone when it ends, however it ends.
# A box needs no program that changes its rights, so the bits for that go; so do caches and manuals.
BUILD = """\
set -euo pipefail
root="$1/root"
debootstrap --variant=minbase --include="$4" "$3" "$root" "$5"
find "$root" -xdev -type f -perm /6000 -exec chmod ug-s {} +
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/usr/share/{doc,man,locale}/*
tar -C "$root" --one-file-system -cf "$1/root.tar" .
docker import --change "LABEL selfsmith.image=box" "$1/root.tar" "$2"
"""


def recipe() -> str:
    """All that decides what is in the image."""
    return json.dumps([BUILD, MIRROR, SUITE, PACKAGES, standard_platform.machine()])


def tag() -> str:
    """Name and tag of the image; another recipe is another tag, so an image that is there is the right one."""
    return f"selfsmith-box:{hashlib.sha256(recipe().encode()).hexdigest()[:12]}"


def prepare_image(setup: Setup, step: Step) -> None:
    """Makes the image unless Docker has it.

    Raises: SetupError
    """
    if setup.shell.attempt(["docker", "image", "inspect", tag()]).ok:
        step.detail = tag()
        return
    folder = tempfile.mkdtemp(prefix="selfsmith-image-", dir=BUILD_FOLDER)
    arguments = [folder, tag(), SUITE, ",".join(PACKAGES), MIRROR]
    command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", BUILD, "build", *arguments]
    try:
        setup.shell.run(
            setup.machine.as_root(*command),
            doing="making the box image",
            on_line=lambda line: setattr(step, "note", line[:60]),
        )
    finally:
        setup.shell.attempt(setup.machine.as_root("rm", "-rf", "--one-file-system", folder), must_finish=True)
    step.detail = f"{tag()} made"
