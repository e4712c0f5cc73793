"""Write functions and rules as a tree of files that lives well in git and comes back as it was: `pack.toml` and one file each."""

from collections.abc import Iterable, Mapping
from typing import Any

import tomli_w

from apps.core.errors import Invalid
from apps.functions.definition import Settings
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import NoSuchFunction, resolve_closure
from apps.packs.manifest import FILE, SETTINGS, checked_name
from apps.packs.models import Release
from apps.packs.rules import rules_among, words_of
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

MOST_EXPORTED = 2_000


class NothingToExport(Invalid):
    code = "nothing_to_export"


def export_functions(*, actor: Membership, names: Iterable[str] | None, pack: str, version: str = "") -> dict[str, str]:
    """The active versions of functions, with all that they call and the rules that need nothing else, as files by name.

    Args:
        names: without any, the whole library.
        pack: what the pack is called.

    Secrets go by name; their values are nowhere in it.

    Raises:
        PermissionMissing, NoSuchFunction, NothingToExport, manifest.BadManifest
    """
    require(actor, Permission.VIEW)
    said = {"name": checked_name(pack), "version": version[:50]}
    return _tree(said, _chosen(names))


def export_pack(*, actor: Membership, release: Release) -> dict[str, str]:
    """The functions of an installed release as they are now, under what it says of itself.

    Raises:
        PermissionMissing, NothingToExport
    """
    require(actor, Permission.VIEW)
    said = {
        "name": release.pack.name,
        "version": release.version,
        "description": release.description,
        "author": release.author,
        "license": release.license,
        "requires": release.requires,
    }
    names = [each["name"] for each in release.functions]
    there = Function.objects.library().filter(name__in=names, active_version__isnull=False).values_list("name", flat=True)
    return _tree(said, _chosen(there, with_callees=False) if names else [])


def _chosen(names: Iterable[str] | None, *, with_callees: bool = True) -> list[FunctionVersion]:
    rows = FunctionVersion.objects.active().select_related("function").filter(function__in=Function.objects.library())
    if names is None:
        found = list(rows.order_by("function__name")[: MOST_EXPORTED + 1])
    else:
        wanted = set(names)
        found = list(rows.filter(function__name__in=wanted))
        if missing := sorted(wanted - {each.function.name for each in found}):
            raise NoSuchFunction(f"There is no function “{missing[0][:100]}” here.", name=missing[0])
        if with_callees:
            found = [part for each in found for part in resolve_closure(each)]
    chosen = {each.function.name: each for each in found}
    if len(chosen) > MOST_EXPORTED:
        raise NothingToExport(f"More than {MOST_EXPORTED} functions do not fit into one pack. Choose some of them.")
    return [chosen[name] for name in sorted(chosen)]


def _tree(said: Mapping[str, Any], versions: list[FunctionVersion]) -> dict[str, str]:
    if not versions:
        raise NothingToExport("There is no active function to export. Write one first, or choose others.")
    names, files = _file_names(versions), dict[str, str]()
    tables = dict[str, Any]()
    for version in versions:
        name = version.function.name
        files[names[name]] = version.source
        own = {"file": names[name]} if names[name] != f"{name}.py" else {}
        tables[name] = {**own, **_table(version)}
    rules = [words_of(rule) for rule in rules_among(tables)]
    manifest = {
        "pack": {key: value for key, value in said.items() if value},
        "functions": tables,
        **({"rules": rules} if rules else {}),
    }
    return {FILE: tomli_w.dumps(manifest), **files}


def _table(version: FunctionVersion) -> dict[str, Any]:
    """What a version has besides its source, where it is not as usual."""
    content = version.content()
    usual = Settings(secrets=tuple(version.secrets), hosts=tuple(version.hosts)).effective_retry_class
    said = {key: content[key] for key in sorted(content.keys() & SETTINGS) if content[key]}
    if said.get("retry_class") == usual:
        del said["retry_class"]
    function = version.function
    own = {
        "description": function.description if function.description != version.description else "",
        "tags": function.tags,
        "requirements": content["requirements"],
        "pins": version.pins,
    }
    return {**{key: value for key, value in own.items() if value}, **said}


def _file_names(versions: Iterable[FunctionVersion]) -> dict[str, str]:
    """A file for each: two whose names differ in A and a only get a number, for disks that do not tell them apart."""
    names, taken = dict[str, str](), dict[str, int]()
    for version in versions:
        name = version.function.name
        number = taken[name.casefold()] = taken.get(name.casefold(), 0) + 1
        names[name] = f"{name}.py" if number == 1 else f"{name}-{number}.py"
    return names
