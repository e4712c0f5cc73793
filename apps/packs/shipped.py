"""The packs that come with Selfsmith: one folder each in `packs/`, with a manifest and files of plain Python.

They are installed like any other pack: looked at, decided on where they ask for something, upgraded, removed.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import apps
from apps.core.errors import NotFound
from apps.functions.reader.packs import read_pack
from apps.packs.manifest import FILE, Manifest
from apps.packs.trees import Tree, read_tree

FOLDER = Path(apps.__file__).resolve().parents[1] / "packs"


class NoSuchShippedPack(NotFound):
    code = "no_such_shipped_pack"


@dataclass(frozen=True, slots=True)
class ShippedPack:
    """What its manifest says, its files, and the names of the functions in them."""

    manifest: Manifest
    tree: Tree
    functions: tuple[str, ...]


@cache
def shipped_packs() -> tuple[ShippedPack, ...]:
    """All of them by name. They change with the installation only, so they are read once."""
    return tuple(_read(manifest.parent) for manifest in sorted(FOLDER.glob(f"*/{FILE}")))


def find_shipped(name: str) -> ShippedPack:
    """Raises: NoSuchShippedPack"""
    found = next((pack for pack in shipped_packs() if pack.manifest.name == name), None)
    if found is None:
        names = ", ".join(pack.manifest.name for pack in shipped_packs())
        raise NoSuchShippedPack(f"No pack “{name[:100]}” ships with Selfsmith. There are {names}.")
    return found


def _read(folder: Path) -> ShippedPack:
    tree = read_tree((path.name, path.read_bytes()) for path in sorted(folder.iterdir()) if path.suffix in (".py", ".toml"))
    assert tree.manifest is not None, f"{folder} has a manifest"
    # They are a part of the platform like its own code, so no child process needs to read them first.
    sources = [text for name, text in tree.files.items() if name != FILE]
    return ShippedPack(tree.manifest, tree, tuple(each["name"] for text in sources for each in read_pack(text)["functions"]))
