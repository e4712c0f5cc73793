"""Push files: what of them would change on the platform, and making it so."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from selfsmith.client import Client
from selfsmith.errors import CannotBePushed
from selfsmith.models import PackReport

MOST_FILES = 1_000  # that the platform takes at once
MANIFEST = "pack.toml"
MARKS = ("register_function", "register_trigger")


def read_files(paths: Iterable[Path], below: Path | None = None) -> dict[str, str]:
    """Texts of files by the names under which they are told.

    Raises: CannotBePushed
    """
    texts = {}
    for path in paths:
        try:
            name = path.relative_to(below) if below else Path(path.name)
            if name.as_posix() in texts:
                name = path
            texts[name.as_posix()] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise CannotBePushed(f"{path} is no text in UTF-8.") from None
        except OSError as error:
            raise CannotBePushed(f"{path} cannot be read: {error.strerror}.") from error
    if not 0 < len(texts) <= MOST_FILES:
        raise CannotBePushed(f"Push 1 to {MOST_FILES} files at once; these are {len(texts)}.")
    return texts


def look_at_files(client: Client, texts: Mapping[str, str], name: str = "") -> PackReport:
    """What pushing would change. Nothing is kept."""
    return client.packs.look(texts, name=name)


def push_files(client: Client, texts: Mapping[str, str], name: str = "") -> PackReport:
    """Install the functions that pack files mark, and the rules of their triggers.

    What asks for hosts, secrets, language models or rules waits for people as a whole; `asks` says so.
    """
    return client.packs.load(texts, name=name)


def files_below(places: Sequence[Path]) -> list[Path]:
    """Python files: those named, and those below folders that are named, with a pack's manifest; no links, nothing hidden.

    Raises: CannotBePushed
    """
    found: dict[Path, None] = {}
    for place in places:
        if not place.exists():
            raise CannotBePushed(f"There is no file or folder {place}.")
        inside = [*sorted(place.rglob("*.py")), *place.glob(MANIFEST)] if place.is_dir() else [place]
        for path in inside:
            parts = path.relative_to(place).parts if place.is_dir() else ()
            if not any(part.startswith(".") or part == "__pycache__" for part in parts) and not path.is_symlink():
                found[path] = None
    return list(found)


def is_marked(path: Path) -> bool:
    """Whether a file is one of packs: its manifest, or it speaks of a decorator of theirs."""
    if path.name == MANIFEST:
        return True
    text = path.read_bytes()
    return any(mark.encode() in text for mark in MARKS)
