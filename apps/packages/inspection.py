"""Looks into a wheel's listing and metadata without unpacking or running anything. Every wheel may be hostile."""

import struct
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from apps.core.errors import Invalid
from apps.packages.locks import Distribution

MOST_FILES = 50_000
LARGEST_UNPACKED = 2 * 1024**3
_LARGEST_DIRECTORY = 16 * 1024**2
_LARGEST_METADATA = 2 * 1024**2
_END = struct.Struct("<4s4H2LH")  # end of central directory record, APPNOTE.TXT 4.3.16
LONGEST_NAME = 255  # bytes
_CUSTOMISERS = ("sitecustomize", "usercustomize")


class BadWheel(Invalid):
    """A file that is no proper wheel, or one made to harm whoever opens it."""

    code = "bad_wheel"


class RunsUnasked(BadWheel):
    """Brings a file that Python may run without anybody importing it. The build would refuse it, so nobody is asked."""

    code = "runs_unasked"


class HidesStandardLibrary(BadWheel):
    """Brings a module that would take the place of one of Python's own."""

    code = "hides_standard_library"


@dataclass(frozen=True)
class WheelContents:
    """What a wheel holds and says of itself."""

    size: int  # bytes of the file
    unpacked_size: int
    file_count: int
    native_files: tuple[str, ...]
    summary: str
    licence: str
    home_page: str
    requires: tuple[Requirement, ...]


def inspect_wheel(path: Path, distribution: Distribution) -> WheelContents:
    """Read the listing and the metadata, under limits.

    Raises: BadWheel when it breaks the format, leaves its folder, or is not what its name says.
    """
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as wheel:
            entries = wheel.infolist()
            _check_entries(entries)
            metadata = _metadata(wheel, entries)
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, NotImplementedError, RuntimeError) as problem:
        raise BadWheel(f"{distribution.filename} is not a readable wheel.", filename=distribution.filename) from problem
    _check_identity(metadata, distribution)
    _check_places([_installed_path(entry.filename) for entry in entries if not entry.is_dir()], distribution)
    names = [entry.filename for entry in entries if not entry.is_dir()]
    return WheelContents(
        size=path.stat().st_size,
        unpacked_size=sum(entry.file_size for entry in entries),
        file_count=len(names),
        native_files=tuple(sorted(name for name in names if name.endswith((".so", ".dll", ".dylib")) or ".so." in name)),
        summary=metadata.get("Summary", "").strip(),
        licence=_licence(metadata),
        home_page=metadata.get("Home-page", "").strip(),
        requires=tuple(_requirements(metadata)),
    )


def _check_directory(path: Path) -> None:
    """Refuse before the standard library reads a listing that would fill the memory.

    A wheel under the size cap needs neither an archive comment nor the 64-bit format; without them the record that is
    checked here is the very one that `zipfile` uses.
    """
    with path.open("rb") as source:
        source.seek(-min(_END.size, path.stat().st_size), 2)
        record = source.read()
    if len(record) != _END.size:
        raise ValueError("shorter than an empty archive")
    signature, _, _, _, count, size, _, comment = _END.unpack(record)
    if signature != b"PK\x05\x06" or comment:
        raise ValueError("no plain archive")
    if count > MOST_FILES or size > _LARGEST_DIRECTORY:
        raise ValueError("too many files")


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        raise ValueError("too many files or bytes")
    for entry in entries:
        parts = entry.filename.split("/")
        if entry.filename.startswith("/") or "\\" in entry.filename or ".." in parts or "\0" in entry.orig_filename:
            raise ValueError("a path leaves the folder")
        if (entry.external_attr >> 16) & 0o170000 == 0o120000:
            raise ValueError("a symbolic link")


def _metadata(wheel: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> "_Metadata":
    found = [entry for entry in entries if _is_metadata(entry.filename)]
    if len(found) != 1 or found[0].file_size > _LARGEST_METADATA:
        raise ValueError("not exactly one metadata file of a sensible size")
    with wheel.open(found[0]) as source:
        message = BytesParser().parsebytes(source.read(_LARGEST_METADATA))
    # A NUL would be refused by the database, and the set would look as if its worker had vanished.
    return _Metadata(
        {key: [str(each).replace("\0", "\ufffd") for each in message.get_all(key, [])] for key in set(message.keys())}
    )


def _is_metadata(name: str) -> bool:
    folder, _, file = name.partition("/")
    return folder.endswith(".dist-info") and file == "METADATA"


@dataclass(frozen=True)
class _Metadata:
    fields: dict[str, list[str]]

    def all(self, name: str) -> list[str]:
        return [value for key, values in self.fields.items() if key.lower() == name.lower() for value in values]

    def get(self, name: str, default: str = "") -> str:
        return next(iter(self.all(name)), default)


def _check_identity(metadata: _Metadata, distribution: Distribution) -> None:
    name, version = canonicalize_name(metadata.get("Name")), metadata.get("Version")
    if name != distribution.name or not _same_version(version, distribution.version):
        raise BadWheel(f"{distribution.filename} says of itself that it is {name} {version}.", filename=distribution.filename)


def _same_version(first: str, second: str) -> bool:
    """Metadata may spell a version as its author did: 2022.07 is 2022.7."""
    try:
        return Version(first) == Version(second)
    except InvalidVersion:
        return False


def _installed_path(name: str) -> str:
    """Where a file ends up: the data folders for libraries are merged into the root."""
    first, _, rest = name.partition("/")
    for folder in ("purelib/", "platlib/"):
        if first.endswith(".data") and rest.startswith(folder):
            return rest.removeprefix(folder)
    return name


def _check_places(places: list[str], distribution: Distribution) -> None:
    """The rules of the build (sandbox.runner.builder), told before people are asked instead of after."""
    name = distribution.filename
    unasked = [place for place in places if ".pth/" in place or _runs_unasked(place.rpartition("/")[2])]
    if unasked:
        raise RunsUnasked(f"{name} brings {unasked[0]}, which Python may run without being asked.", files=unasked)
    if any(len(part.encode()) > LONGEST_NAME for place in places for part in place.split("/")):
        raise BadWheel(f"{name} brings a file whose name is longer than a file's may be.", filename=name)
    hidden = sorted({place.split("/")[0].split(".")[0] for place in places} & sys.stdlib_module_names)
    if hidden:
        raise HidesStandardLibrary(f"{name} would take the place of Python's own module “{hidden[0]}”.", modules=hidden)


def _runs_unasked(file: str) -> bool:
    return file.endswith((".pth", ".pyc")) or file.split(".", maxsplit=1)[0] in _CUSTOMISERS


def _licence(metadata: _Metadata) -> str:
    """The licence expression, else the short licence field, else what the classifiers say."""
    stated = metadata.get("License-Expression") or metadata.get("License").strip()
    if stated and "\n" not in stated and len(stated) <= 100:
        return stated
    classifiers = [each for each in metadata.all("Classifier") if each.startswith("License ::")]
    return ", ".join(each.rpartition(" :: ")[2] for each in classifiers)


def _requirements(metadata: _Metadata) -> Iterator[Requirement]:
    for line in metadata.all("Requires-Dist"):
        try:
            yield Requirement(line)
        except (InvalidRequirement, RecursionError) as problem:
            raise BadWheel(f"A package states a requirement that cannot be read: {line[:100]}") from problem
