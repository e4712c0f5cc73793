"""A function as two files that live well in git: `name.py`, its source to the byte, and `name.json`, its settings."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from selfsmith.errors import CannotBePushed
from selfsmith.models import Function

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True)
class Definition:
    """All that an author says of a function. What is usual is left out of the file of settings.

    `dependencies` are only said where a version of one is pinned (`clean@2`); otherwise the source says them.
    """

    name: str
    source: str
    description: str = ""
    tags: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    limits: dict[str, int | float] = field(default_factory=dict)
    retry_class: str = ""
    retry: dict[str, int] = field(default_factory=dict)
    isolation: str = "run"
    imports_first: bool = False
    logging: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, function: Function, source: str) -> Self:
        """The active version of a function of the platform.

        Raises: CannotBePushed, for a name that would lead out of a folder
        """
        if not NAME.fullmatch(function.name):
            raise CannotBePushed(f"{function.name!r} cannot be the name of a file.")
        pins = function.pins
        dependencies = [f"{name}@{pins[name]}" if name in pins else name for name in function.dependencies] if pins else []
        told = {each: getattr(function, each) for each in _SETTINGS if each != "dependencies"}
        return cls(name=function.name, source=source, dependencies=dependencies, **told)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The pair of files, by the path of the one with the source.

        Raises: CannotBePushed
        """
        beside = path.with_suffix(".json")
        try:
            source, said = path.read_bytes().decode("utf-8"), json.loads(beside.read_bytes())
        except (OSError, ValueError) as error:
            raise CannotBePushed(f"{path.name} or {beside.name} cannot be read: {error}.") from error
        if not isinstance(said, dict) or said.keys() - _SETTINGS.keys():
            known = ", ".join(sorted(_SETTINGS))
            raise CannotBePushed(f"{beside} does not fit: it is an object of these settings: {known}.", code="bad_settings")
        for name, value in said.items():
            if not isinstance(value, _SETTINGS[name]):
                raise CannotBePushed(f"{beside}: {name} is of the wrong kind.", code="bad_settings")
        return cls(name=path.stem, source=source, **said)

    def settings(self) -> dict[str, Any]:
        """What the file of settings holds."""
        return {name: value for name, value in asdict(self).items() if name in _SETTINGS and value != _USUAL[name]}

    def files(self) -> dict[str, str]:
        """The texts of the pair, by the ends of their names."""
        settings = json.dumps(self.settings(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        return {".py": self.source, ".json": settings}

    def write(self, folder: Path) -> None:
        """Write the pair, to the byte."""
        for suffix, text in self.files().items():
            (folder / f"{self.name}{suffix}").write_bytes(text.encode("utf-8"))

    def body(self) -> dict[str, Any]:
        """The fields of a version, as the API takes them."""
        said = {name: getattr(self, name) for name in _SETTINGS if name not in ("description", "tags", "dependencies")}
        given = said | ({"dependencies": self.dependencies} if self.dependencies else {})
        return {name: value for name, value in given.items() if name != "retry_class" or value}

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def is_pair(path: Path) -> bool:
    """Whether settings lie beside a source."""
    return path.with_suffix(".json").is_file()


_EMPTY = asdict(Definition("", ""))
_USUAL: dict[str, Any] = {name: value for name, value in _EMPTY.items() if name not in ("name", "source")}
_SETTINGS: dict[str, type] = {name: type(value) for name, value in _USUAL.items()}
