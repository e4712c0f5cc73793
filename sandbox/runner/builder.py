"""Unpacks wheels and compiles them, inside a box without network. A wheel is a hostile archive: nothing in it is run.

Files are not written anywhere: each is checked against the wheel's own RECORD and streamed to the host, which writes
it. So the box needs no writable mount and the host follows no path that a box made.
"""

import base64
import csv
import hashlib
import importlib.util
import io
import json
import marshal
import resource
import socket
import stat
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from . import frames
from .files_pipe import Write, fork_streaming
from .settings import Settings

_REFUSED_NAMES = {"sitecustomize", "usercustomize"}
_HASH_BASED_UNCHECKED = (0b01).to_bytes(4, "little")
# A module larger than this is mounted without bytecode: compiling it could take the box's memory (measured: the
# syntax tree of a literal needs some 500 times its text).
_LARGEST_COMPILED = 1 << 20
_LONGEST_NAME = 255  # bytes, on the file systems of the host


class WheelRefused(Exception):
    """A wheel holds what must not be unpacked."""


def wheels_in(settings: Settings) -> list[Path]:
    """Which there are to unpack."""
    return sorted(Path(settings.wheels).glob("*.whl"))


def fork_builder(settings: Settings, order: dict[str, Any], wheel: Path, control: socket.socket) -> int:
    """Unpack one wheel in a child without powers, streaming files out. Gives its pid, still to be waited for."""
    accepted = {**frames.FILE_FRAMES, frames.ERROR: frames.RESULT_FRAMES[frames.ERROR], frames.LOG: frames.SMALL}

    def work(write: Write) -> None:
        memory = int(order["memory_bytes"]) - (64 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        try:
            _Tree(order, write).unpack(wheel)
        except (WheelRefused, zipfile.BadZipFile, MemoryError, NotImplementedError, OSError) as error:
            said = {"type": type(error).__name__, "message": str(error)[:4000], "limit": None}
            write(frames.ERROR, json.dumps(said).encode())
            raise

    return fork_streaming(settings, work, control, accepted)


class _Tree:
    """What comes out of one wheel. Nothing in it may depend on the wheels beside it."""

    def __init__(self, order: dict[str, Any], write: Write) -> None:
        self.bytes, self.files = int(order["output_bytes"]), int(order["files"])
        self.write = write
        self.made: dict[str, str] = {}

    def unpack(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            for name, data in Wheel(wheel.name, archive).files(limit=self.bytes):
                self._add(name, data)

    def _add(self, name: str, data: bytes) -> None:
        if not self._emit(name, data) or not name.endswith(".py") or len(data) > _LARGEST_COMPILED:
            return
        if compiled := compile_module(name, data):
            self._emit(*compiled)

    def _emit(self, name: str, data: bytes) -> bool:
        digest = hashlib.sha256(data).hexdigest()
        if name in self.made:
            if self.made[name] != digest:
                raise WheelRefused(f"a wheel brings two different files named {name!r}")
            return False
        self.made[name] = digest
        self.bytes -= len(data)
        self.files -= 1
        if self.bytes < 0 or self.files < 0:
            raise WheelRefused("the packages are larger than an environment may be")
        self.write(frames.ARTIFACT_STARTED, json.dumps({"name": name}).encode())
        for start in range(0, len(data), frames.CHUNK):
            self.write(frames.ARTIFACT_DATA, data[start : start + frames.CHUNK])
        self.write(frames.ARTIFACT_ENDED, json.dumps({"sha256": digest}).encode())
        return True


class Wheel:
    """One wheel's files, as they are to lie on the import path."""

    def __init__(self, file_name: str, archive: zipfile.ZipFile) -> None:
        self.file_name, self.archive = file_name, archive
        self.record_name = self._find_record()
        self.expected = self._read_record()

    def files(self, limit: int) -> Iterator[tuple[str, bytes]]:
        """Place and content of every file that belongs on the path; each one matches its RECORD entry.

        Raises: WheelRefused.
        """
        for info in self.archive.infolist():
            if info.is_dir():
                continue
            self._check_entry(info)
            place = self._place(info.filename)
            if place is None:
                continue
            self._check_place(place)
            limit -= info.file_size
            if limit < 0:
                raise WheelRefused(f"{self.file_name} unpacks to more than an environment may hold")
            yield place, self._read(info)

    def _find_record(self) -> str:
        found = [name for name in self.archive.namelist() if name.endswith(".dist-info/RECORD") and name.count("/") == 1]
        if len(found) != 1:
            raise WheelRefused(f"{self.file_name} must have exactly one RECORD, not {len(found)}")
        return found[0]

    def _read_record(self) -> dict[str, str]:
        info = self.archive.getinfo(self.record_name)
        if info.file_size > 32 << 20:
            raise WheelRefused(f"the RECORD of {self.file_name} is larger than 32 MiB")
        rows = csv.reader(io.StringIO(self.archive.read(info).decode("utf-8")))
        return {row[0]: row[1] for row in rows if len(row) >= 2}

    def _check_entry(self, info: zipfile.ZipInfo) -> None:
        parts = info.filename.split("/")
        plain = info.filename.isprintable() and "\\" not in info.filename and len(info.filename) <= 255
        if not plain or any(part in ("", ".", "..") for part in parts):
            raise WheelRefused(f"{self.file_name} holds a file with the path {info.filename!r}")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise WheelRefused(f"{self.file_name} holds {info.filename!r}, which is no regular file")

    def _place(self, name: str) -> str | None:
        """Where the file goes; None for scripts, headers and data, which a tool has no use for."""
        parts = PurePosixPath(name).parts
        if parts[0].endswith(".data"):
            wanted = len(parts) > 2 and parts[1] in ("purelib", "platlib")
            return "/".join(parts[2:]) if wanted else None
        return name

    def _check_place(self, place: str) -> None:
        parts = place.split("/")
        first, last = parts[0], parts[-1]
        started_by_python = {first.split(".")[0], last.split(".")[0]} & _REFUSED_NAMES
        if started_by_python or last.endswith(".pyc") or any(part.endswith(".pth") for part in parts):
            raise WheelRefused(f"{self.file_name} holds {place!r}, which Python would run without being asked")
        if any(len(part.encode()) > _LONGEST_NAME for part in parts):
            raise WheelRefused(f"{self.file_name} holds {place!r}, whose name is longer than a file's may be")
        if first.split(".")[0] in sys.stdlib_module_names:
            raise WheelRefused(f"{self.file_name} would replace Python's own module {first.split('.')[0]!r}")

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        with self.archive.open(info) as file:
            data = file.read(info.file_size + 1)
        if info.filename == self.record_name or info.filename.endswith((".jws", ".p7s")):
            return data
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if self.expected.get(info.filename) != f"sha256={digest}":
            raise WheelRefused(f"{info.filename!r} in {self.file_name} is not what its RECORD says")
        return data


def compile_module(name: str, source: bytes) -> tuple[str, bytes] | None:
    """Where the bytecode goes and what it is; None when the source is not for this Python, or its name leaves no room for it."""
    path = PurePosixPath(name)
    place = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
    if len(place.name.encode()) > _LONGEST_NAME or not frames.is_plain_name(str(place)):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    header = importlib.util.MAGIC_NUMBER + _HASH_BASED_UNCHECKED + importlib.util.source_hash(source)
    return str(place), header + marshal.dumps(code)
