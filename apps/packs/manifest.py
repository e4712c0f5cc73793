"""`pack.toml`: what a pack says of itself, and in an exported tree the settings of its functions and its rules."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from apps.core.errors import Invalid
from apps.functions.definition import Settings
from apps.functions.models import Isolation, RetryClass
from apps.functions.reader.literals import storable

FILE = "pack.toml"
LONGEST = {"name": 100, "version": 50, "description": 4_000, "author": 200, "license": 200}
MOST_REQUIRED = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
_KEYS = frozenset((*LONGEST, "requires"))
SETTINGS = frozenset(each.name for each in fields(Settings))
_OF_FUNCTION = frozenset((*SETTINGS, "file", "description", "tags", "requirements", "pins"))
_OF_RULE: Mapping[str, type] = {
    "name": str, "event_type": str, "target": str, "function": str, "condition": str, "arguments": dict, "error_handler": str,
    "most_per_minute": int, "most_running": int, "is_active": bool,
}  # fmt: skip


class BadManifest(Invalid):
    """The manifest cannot be read, or says what it may not."""

    code = "bad_manifest"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a pack says of itself. `functions` and `rules` are as an exported tree has them, checked in their types only."""

    name: str
    version: str = ""
    description: str = ""
    author: str = ""
    license: str = ""
    requires: tuple[str, ...] = ()
    functions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rules: tuple[Mapping[str, Any], ...] = ()


def read_manifest(text: str) -> Manifest:
    """Read a `pack.toml`.

    Raises:
        BadManifest
    """
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadManifest(f"{FILE} is no TOML: {error}.") from None
    except RecursionError:
        raise BadManifest(f"{FILE} is nested too deeply to be read.") from None
    if unknown := sorted(said.keys() - {"pack", "functions", "rules"}):
        raise BadManifest(f"{FILE} knows no table {unknown[0][:60]}. Known are pack, functions and rules.")
    pack = _table(said.get("pack"), "[pack]", _KEYS)
    functions = said.get("functions", {})
    if not isinstance(functions, dict):
        raise BadManifest("[functions] must be a table with one table for each function.")
    rules = said.get("rules", [])
    if not isinstance(rules, list):
        raise BadManifest("[[rules]] must be a list of tables.")
    return Manifest(
        **{name: _text(pack, name, most) for name, most in LONGEST.items()},
        requires=_texts(pack.get("requires", []), "requires", MOST_REQUIRED),
        functions={name: _function(name, table) for name, table in functions.items()},
        rules=tuple(_rule(table) for table in rules),
    )


def checked_name(name: str) -> str:
    """A pack's name.

    Raises:
        BadManifest
    """
    if not _NAME.fullmatch(name):
        raise BadManifest("A pack needs a name of letters a to z, digits, blanks, “.”, “_” and “-”, at most 100.")
    return name


def settings_of(table: Mapping[str, Any]) -> Settings:
    """The settings that a table or a version's content says; what it does not say is as usual."""
    said: dict[str, Any] = {name: table[name] for name in SETTINGS if name in table}
    said = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    if said.get("retry_class"):
        said["retry_class"] = RetryClass(said["retry_class"])
    if "isolation" in said:
        said["isolation"] = Isolation(said["isolation"])
    return Settings(**said)


def _table(value: Any, where: str, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadManifest(f"{FILE} needs a table {where}.")
    if unknown := sorted(value.keys() - known):
        raise BadManifest(f"{where} of {FILE} knows no {unknown[0][:60]}. Known are {', '.join(sorted(known))}.")
    if not _is_storable(value):
        raise BadManifest(f"{where} of {FILE} holds what cannot be stored: NUL characters, dates, or numbers that have no end.")
    table: dict[str, Any] = value
    return table


def _text(table: Mapping[str, Any], name: str, most: int) -> str:
    value = table.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise BadManifest(f"{name} in {FILE} must be a text of at most {most} characters.")
    return checked_name(value) if name == "name" else value.strip()


def _texts(value: Any, where: str, most: int) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > most or not all(isinstance(each, str) and len(each) <= 300 for each in value):
        raise BadManifest(f"{where} in {FILE} must be a list of at most {most} texts.")
    return tuple(value)


def _function(name: str, value: Any) -> Mapping[str, Any]:
    where = f"[functions.{name[:100]}]"
    table = _table(value, where, _OF_FUNCTION)
    for key in ("file", "description"):
        if not isinstance(table.get(key, ""), str):
            raise BadManifest(f"{key} of {where} must be a text.")
    for key in ("tags", "requirements"):
        _texts(table.get(key, []), f"{key} of {where}", MOST_REQUIRED)
    if not isinstance(table.get("pins", {}), dict) or not all(type(each) is int for each in table.get("pins", {}).values()):
        raise BadManifest(f"pins of {where} must be a table: a version's number for each function.")
    for key in table.keys() & SETTINGS:
        _check_setting(table[key], key, where)
    return table


def _check_setting(value: Any, key: str, where: str) -> None:
    """The type of a setting is that of its default. What it may be is checked where functions are saved."""
    if key == "retry_class":
        choices = [each.value for each in RetryClass]
    elif key == "isolation":
        choices = [each.value for each in Isolation]
    else:
        choices = []
    if choices:
        if value not in choices:
            raise BadManifest(f"{key} of {where} must be one of {', '.join(choices)}.")
        return
    usual = getattr(Settings(), key)
    if isinstance(usual, tuple):
        _texts(value, f"{key} of {where}", MOST_REQUIRED)
    elif not isinstance(value, type(usual)) and usual is not None:
        raise BadManifest(f"{key} of {where} is not of the type that it must be, as {usual!r} is.")


def _rule(value: Any) -> Mapping[str, Any]:
    table = _table(value, "[[rules]]", frozenset(_OF_RULE))
    for key, kind in _OF_RULE.items():
        if key in table and type(table[key]) is not kind:
            raise BadManifest(f"{key} of a rule in {FILE} must be a {'text' if kind is str else kind.__name__}.")
    if missing := [key for key in ("name", "event_type", "target") if not table.get(key)]:
        raise BadManifest(f"A rule in {FILE} says no {missing[0]}.")
    if not all(isinstance(each, str) for each in table.get("arguments", {}).values()):
        raise BadManifest(f"arguments of a rule in {FILE} must be expressions, each a text.")
    return table


def _is_storable(value: Any) -> bool:
    match value:
        case str():
            return storable(value)
        case bool() | int():
            return abs(value) < 2**63
        case float():
            return value == value and abs(value) != float("inf")
        case list():
            return all(_is_storable(each) for each in value)
        case dict():
            return all(storable(key) and _is_storable(each) for key, each in value.items())
    return False
