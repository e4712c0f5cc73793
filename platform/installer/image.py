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
# What the base brings for administering a system, and no box needs: package tools, accounts, mounting.
UNNEEDED_PACKAGES = (
    "apt", "debconf", "debian-archive-keyring", "dpkg", "init-system-helpers", "libapt-pkg7.0", "libpam-modules",
    "libpam-modules-bin", "libpam-runtime", "libpam0g", "login", "login.defs", "mount", "passwd", "perl-base", "sqv",
    "sysvinit-utils",
)  # fmt: skip
# The same of packages that are needed otherwise.
UNNEEDED_PROGRAMS = (
    "agetty", "blkdiscard", "blkid", "blkzone", "blockdev", "chcpu", "chmem", "chroot", "ctrlaltdel", "fsck", "fsfreeze",
    "fstrim", "hwclock", "mkfs", "mkswap", "nsenter", "pivot_root", "runuser", "setpriv", "su", "sulogin", "swaplabel",
    "swapoff", "swapon", "switch_root", "unshare", "wipefs", "zramctl",
)  # fmt: skip
BUILD_FOLDER = "/var/tmp"  # on the disk; /tmp may be in memory and forbid the device files that debootstrap makes

# Runs as root in a mount namespace of its own: whatever debootstrap mounts is gone when it ends, however it ends.
# A box needs no program that changes its rights, so the bits for that go, and with them what administers a system; so
# do caches and manuals. Nothing of Python's own library is among it but its tests, editor, manual and installer.
BUILD = """\
set -euo pipefail
root="$1/root"
debootstrap --variant=minbase --include="$4" "$3" "$root" "$5"
for package in $6; do
    while read -r path; do
        if [ -f "$root$path" ] || [ -L "$root$path" ]; then rm -f "$root$path"; fi
    done < <(cat "$root/var/lib/dpkg/info/$package.list" "$root/var/lib/dpkg/info/$package":*.list 2>/dev/null)
done
for program in $7; do rm -f "$root"/usr/bin/"$program" "$root"/usr/sbin/"$program"; done
find "$root" -xdev -type f -perm /6000 -exec chmod ug-s {} +
cd "$root"
rm -rf var/cache/* var/lib/{apt,dpkg,pam,systemd} var/log/* usr/share/{doc,man,locale,debconf,perl5,lintian,bug}/*
rm -rf usr/lib/python3*/{test,idlelib,pydoc_data,ensurepip} etc/{apt,dpkg,pam.d,security,init.d,rc*.d,cron.*}
chroot . python3 -I -B -c "$8"
tar -C "$root" --one-file-system -cf "$1/root.tar" .
docker import --change "LABEL selfsmith.image=box" "$1/root.tar" "$2"
"""

# Run inside, before the image is packed: what links to a library is still whole.
PROOF = """\
import asyncio, bz2, ctypes, curses, decimal, hashlib, lzma, readline, sqlite3, ssl, unittest, uuid, zlib, zoneinfo
zoneinfo.ZoneInfo("Europe/Paris")
"""


def recipe() -> str:
    """All that decides what is in the image."""
    return json.dumps([BUILD, MIRROR, SUITE, PACKAGES, UNNEEDED_PACKAGES, UNNEEDED_PROGRAMS, PROOF, standard_platform.machine()])


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
    unneeded = [" ".join(UNNEEDED_PACKAGES), " ".join(UNNEEDED_PROGRAMS), PROOF]
    arguments = [folder, tag(), SUITE, ",".join(PACKAGES), MIRROR, *unneeded]
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
