"""The packs that come with Selfsmith: one folder each in `packs/`, with a manifest and files of plain Python."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import apps
from apps.core.errors import NotFound
from apps.functions.packs import PackFile, PackReport, load_packs
from apps.functions.reader.packs import read_pack
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

FOLDER = Path(apps.__file__).resolve().parents[1] / "packs"
MANIFEST = "pack.toml"


class NoSuchShippedPack(NotFound):
    code = "no_such_shipped_pack"


@dataclass(frozen=True, slots=True)
class ShippedPack:
    """What a manifest says, the files beside it by name, and the names of the functions in them."""

    name: str
    version: str
    description: str
    author: str
    license: str
    requires: tuple[str, ...]
    files: tuple[PackFile, ...]
    functions: tuple[str, ...]


@cache
def shipped_packs() -> tuple[ShippedPack, ...]:
    """All of them by name. They change with the installation only, so they are read once."""
    return tuple(_read(manifest) for manifest in sorted(FOLDER.glob(f"*/{MANIFEST}")))


def find_shipped(name: str) -> ShippedPack:
    """Raises: NoSuchShippedPack"""
    found = next((pack for pack in shipped_packs() if pack.name == name), None)
    if found is None:
        names = ", ".join(pack.name for pack in shipped_packs())
        raise NoSuchShippedPack(f"No pack “{name[:100]}” ships with Selfsmith. There are {names}.")
    return found


def load_shipped(*, actor: Membership, name: str, only_look: bool = False) -> PackReport:
    """As `load_packs` does with files that somebody brings: the same checks, and the same decisions by others.

    Raises: PermissionMissing, NoSuchShippedPack
    """
    require(actor, Permission.DEVELOP)
    return load_packs(actor=actor, files=find_shipped(name).files, only_look=only_look)


def _read(manifest: Path) -> ShippedPack:
    said = tomllib.loads(manifest.read_text(encoding="utf-8"))["pack"]
    files = tuple(PackFile(path.name, path.read_text(encoding="utf-8")) for path in sorted(manifest.parent.glob("*.py")))
    # They are a part of the platform like its own code, so no child process needs to read them first.
    names = tuple(each["name"] for file in files for each in read_pack(file.text)["functions"])
    texts = {key: said[key] for key in ("name", "version", "description", "author", "license")}
    return ShippedPack(**texts, requires=tuple(said["requires"]), files=files, functions=names)
