"""A pack as it comes and goes: some files, or one zip of them. What comes is hostile until each name and size was looked at."""

import io
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from apps.core.canonical import digest_of
from apps.core.errors import Invalid, TooLarge
from apps.functions.analysis import MAX_SOURCE_BYTES
from apps.packs.manifest import FILE, Manifest, read_manifest

MOST_FILES = 1_000
MOST_BYTES = 4 * 1024 * 1024
"""Of all files together once unpacked."""
MOST_ZIP_BYTES = 1024 * 1024
MOST_MANIFEST_BYTES = 1024 * 1024
LONGEST_NAME = 200
_ZIP = b"PK\x03\x04"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say: the bytes of an export depend on nothing but its files
_NO_NAME = re.compile(r"[^A-Za-z0-9 ._-]")
_LEFT_OUT = frozenset({".git", "__pycache__", "__MACOSX"})


class BadPack(Invalid):
    """What was brought cannot be a pack; nothing of it was kept."""

    code = "bad_pack"


class PackTooLarge(TooLarge):
    code = "pack_too_large"


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a pack that matter, by name, as bytes and as text; `manifest` is None where there is none."""

    files: Mapping[str, str]
    manifest: Manifest | None = None
    suggested_name: str = ""
    left_out: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        return digest_of(dict(self.files))


def read_tree(files: Iterable[tuple[str, bytes]]) -> Tree:
    """Several files, or one zip, or one file alone.

    Raises:
        BadPack, PackTooLarge, manifest.BadManifest
    """
    given = list(files)
    if len(given) == 1 and given[0][1].startswith(_ZIP):
        name, content = given[0]
        return _tree(_unpacked(content), suggested=_stem(name))
    if any(content.startswith(_ZIP) for _, content in given):
        raise BadPack("Bring one zip alone, or files that are not packed. Nothing was kept.")
    return _tree(given, suggested=_stem(given[0][0]) if len(given) == 1 else "")


def write_zip(files: Mapping[str, str]) -> bytes:
    """The files as a zip whose bytes depend on them alone."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr, entry.compress_type = 3, 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].encode())
    return target.getvalue()


def _tree(given: Iterable[tuple[str, bytes]], *, suggested: str) -> Tree:
    named = _without_top_folder(_checked_names(given))
    kept = {name: content for name, content in named.items() if name.endswith(".py") or name == FILE}
    if not any(name.endswith(".py") for name in kept) and FILE not in kept:
        raise BadPack("There is no Python file in it. A pack is one or more files of Python, with or without a pack.toml.")
    if sum(map(len, kept.values())) > MOST_BYTES:
        raise _too_large()
    texts = {name: _text(name, content) for name, content in sorted(kept.items())}
    said = texts.get(FILE)
    manifest = read_manifest(said) if said is not None else None
    return Tree(texts, manifest, suggested, tuple(sorted(named.keys() - kept.keys())))


def _unpacked(content: bytes) -> list[tuple[str, bytes]]:
    if len(content) > MOST_ZIP_BYTES:
        raise PackTooLarge(
            f"The zip is larger than {MOST_ZIP_BYTES // 1024**2} MiB. Make several packs of it.", most=MOST_ZIP_BYTES
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MOST_FILES:
                raise PackTooLarge(f"A pack may have {MOST_FILES} files; this one has {len(entries)}.", most=MOST_FILES)
            return _read_entries(archive, entries)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise BadPack(f"The zip cannot be read: {error}. Nothing was kept.") from None


def _read_entries(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo]) -> list[tuple[str, bytes]]:
    """What comes out is counted as it comes: a zip may say anything about sizes."""
    found, total = list[tuple[str, bytes]](), 0
    for entry in entries:
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise BadPack(
                f"“{_shown(entry.filename)}” is a link or no plain file. A pack has plain files only. Nothing was kept."
            )
        if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadPack(f"“{_shown(entry.filename)}” is encrypted, or packed in an unusual way. Nothing was kept.")
        with archive.open(entry) as stream:
            content = stream.read(MOST_BYTES - total + 1)
        total += len(content)
        if total > MOST_BYTES:
            raise _too_large()
        found.append((entry.orig_filename, content))
    return found


def _checked_names(given: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """Each file under its name.

    Raises:
        BadPack: a name leads out of the pack, or two are the same on a disk that does not tell A from a.
    """
    named, folded = dict[str, bytes](), dict[str, str]()
    for name, content in given:
        path = PurePosixPath(name)
        parts = name.split("/")
        is_bad = (
            not name
            or len(name) > LONGEST_NAME
            or not name.isprintable()
            or "\\" in name
            or ":" in parts[0]
            or path.is_absolute()
        )
        if is_bad or any(part in ("", ".", "..") or part != part.strip() for part in parts):
            raise BadPack(f"“{_shown(name)}” is no name for a file of a pack: it must stay inside of it. Nothing was kept.")
        if _LEFT_OUT & set(parts):
            continue
        key = unicodedata.normalize("NFKC", name).casefold()
        if key in folded:
            raise BadPack(f"“{_shown(folded[key])}” and “{_shown(name)}” are one file on some disks. Nothing was kept.")
        folded[key], named[name] = name, content
    if len(named) > MOST_FILES:
        raise PackTooLarge(f"A pack may have {MOST_FILES} files; this one has {len(named)}.", most=MOST_FILES)
    return named


def _without_top_folder(named: dict[str, bytes]) -> dict[str, bytes]:
    """A zip of a folder has that folder around everything."""
    tops = {name.partition("/")[0] for name in named}
    if len(tops) == 1 and all("/" in name for name in named):
        return _without_top_folder({name.partition("/")[2]: content for name, content in named.items()})
    return named


def _text(name: str, content: bytes) -> str:
    most = MOST_MANIFEST_BYTES if name == FILE else MAX_SOURCE_BYTES
    if len(content) > most:
        raise PackTooLarge(f"“{_shown(name)}” is larger than {most // 1024} KiB.", most=most)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadPack(f"“{_shown(name)}” is no text in UTF-8. Nothing was loaded.") from None


def _too_large() -> PackTooLarge:
    return PackTooLarge(
        f"Together the files have more than {MOST_BYTES // 1024**2} MiB. Make several packs of them.", most=MOST_BYTES
    )


def _shown(name: str) -> str:
    return name[:100].encode("utf-8", "replace").decode()


def _stem(name: str) -> str:
    """What a pack of this file is called, unless it says so itself."""
    return _NO_NAME.sub("", PurePosixPath(name).name.partition(".")[0]).strip(" ._-")
