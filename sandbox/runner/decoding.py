"""How arguments, which come as JSON, become what the annotations of a function say: the way back of `encoding`.

Runs as the tool. An annotation that is not understood, or cannot be evaluated, leaves its value as JSON gave it: so does
the schema that the host reads from the same annotation.
"""

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import inspect
import json
import pathlib
import sys
import types
import typing
import uuid
from collections import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .encoding import plain

_Parameter = inspect.Parameter
_WRAPPERS = {typing.Annotated, typing.Required, typing.NotRequired, getattr(typing, "ReadOnly", None), typing.Final}
_FROM_TEXT: Mapping[type, Callable[[str], Any]] = {
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    decimal.Decimal: decimal.Decimal,
    uuid.UUID: uuid.UUID,
    bytes: lambda text: base64.b64decode(text, validate=True),
    bytearray: lambda text: bytearray(base64.b64decode(text, validate=True)),
}
_PLAIN = (str, int, float, bool)
_LISTS = {list, tuple, collections.deque, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Iterator, abc.Collection}
_SETS = {set, frozenset, abc.Set, abc.MutableSet}
_MAPPINGS = {dict, collections.defaultdict, collections.OrderedDict, abc.Mapping, abc.MutableMapping}


class Unfit(ValueError):
    """An argument is not the JSON form of what its annotation says."""


def bind(function: Callable[..., Any], given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments by place and by name for a call, of arguments that were all given by name, each as its type.

    Raises: Unfit; TypeError when one is missing before others that must be given by place.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of what is not written in Python
        return [], dict(given)
    decoder = _Decoder(getattr(inspect.unwrap(function), "__globals__", {}))
    left, places, names = dict(given), list[Any](), dict[str, Any]()
    by_place = _number_by_place(parameters, given)
    for number, each in enumerate(parameters):
        if each.kind is _Parameter.VAR_KEYWORD:
            names |= {name: decoder.decode(each.annotation, value, name) for name, value in left.items()}
            left = {}
        elif each.kind is _Parameter.VAR_POSITIONAL:
            values = left.pop(each.name, ())
            places += [decoder.decode(each.annotation, value, f"{each.name}[{at}]") for at, value in enumerate(values)]
        elif number < by_place:
            places.append(_by_place(decoder, each, left))
        elif each.name in left:
            names[each.name] = decoder.decode(each.annotation, left.pop(each.name), each.name)
    return places, names | left  # of what is left over Python says that it is too much


def _number_by_place(parameters: list[_Parameter], given: Mapping[str, Any]) -> int:
    """How many of the first cannot be given by name: all up to the last positional-only one, or before `*args`."""
    number = 0
    for place, each in enumerate(parameters):
        if each.kind is _Parameter.POSITIONAL_ONLY and each.name in given:
            number = place + 1
        elif each.kind is _Parameter.VAR_POSITIONAL and given.get(each.name):
            number = place
    return number


def _by_place(decoder: "_Decoder", parameter: _Parameter, left: dict[str, Any]) -> Any:
    if parameter.name in left:
        return decoder.decode(parameter.annotation, left.pop(parameter.name), parameter.name)
    if parameter.default is _Parameter.empty:
        raise TypeError(f"the argument {parameter.name!r} is missing")
    return parameter.default


class _Decoder:
    """Knows the names that the annotations of one module use."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def decode(self, annotation: Any, value: Any, place: str) -> Any:
        """The value as its annotation says. Raises: Unfit."""
        if value is None:
            return None  # by itself or by a default of None
        kind, inner = self._opened(annotation)
        if kind in (typing.Union, types.UnionType):
            return self._one_of(inner, value, place)
        if not isinstance(kind, type):
            return value
        try:
            return self._converted(kind, inner, value, place)
        except Unfit:
            raise
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Unfit(f"{place} is no {kind.__name__}: {error}") from error

    def _opened(self, annotation: Any) -> tuple[Any, tuple[Any, ...]]:
        """The class, or the kind of union, without aliases and wrappers around it; and what stands in its brackets."""
        kind = annotation
        for _ in range(20):  # an alias of itself would have no end
            if isinstance(kind, str | typing.ForwardRef):
                kind = self._evaluated(kind)
            elif isinstance(kind, typing.TypeAliasType):
                kind = kind.__value__
            elif isinstance(kind, typing.NewType):
                kind = kind.__supertype__
            elif typing.get_origin(kind) in _WRAPPERS:
                kind = typing.get_args(kind)[0]
            else:
                break
        return typing.get_origin(kind) or kind, typing.get_args(kind)

    def _evaluated(self, annotation: "str | typing.ForwardRef") -> Any:
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        try:
            return eval(text, dict(self._names))
        except Exception:  # an annotation that cannot be read promises nothing: the value stays as JSON gave it
            return Any

    def _one_of(self, members: tuple[Any, ...], value: Any, place: str) -> Any:
        """As the first that it fits."""
        for member in members:
            kind, _ = self._opened(member)
            if kind in _PLAIN:
                if isinstance(value, (int, float) if kind is float else kind):
                    return value
                continue
            try:
                return self.decode(member, value, place)
            except Unfit:
                continue
        return value

    def _converted(self, kind: type, inner: tuple[Any, ...], value: Any, place: str) -> Any:
        if convert := _FROM_TEXT.get(kind):
            return convert(_text(value, kind))
        if kind is datetime.timedelta:
            return datetime.timedelta(seconds=value)
        if issubclass(kind, pathlib.PurePath):
            return kind(_text(value, kind))
        if issubclass(kind, enum.Enum):
            return _member(kind, value)
        if _has_fields(kind):
            return self._with_fields(kind, value, place)
        return self._collection(kind, inner, value, place)

    def _with_fields(self, kind: type, value: Any, place: str) -> Any:
        if typing.is_typeddict(kind):
            return self._fields(kind, value, place)
        if issubclass(kind, tuple):
            given = dict(zip(kind._fields, value, strict=True)) if isinstance(value, list) else value  # type: ignore[attr-defined]
            return kind(**self._fields(kind, given, place))
        if validate := getattr(kind, "model_validate", None):
            return validate(self._fields(kind, value, place))
        return kind(**self._fields(kind, value, place))

    def _fields(self, kind: type, value: Any, place: str) -> dict[str, Any]:
        """Of a class, by its own module's names; a field that it inherits by those of the class which has it."""
        if not isinstance(value, dict):
            raise Unfit(f"{place} must be an object")
        hints = {name: (hint, owner) for owner in reversed(kind.__mro__) for name, hint in inspect.get_annotations(owner).items()}
        return {
            name: _Decoder(_names_of(hints[name][1])).decode(hints[name][0], each, f"{place}.{name}") if name in hints else each
            for name, each in value.items()
        }

    def _collection(self, kind: type, inner: tuple[Any, ...], value: Any, place: str) -> Any:
        if kind in _MAPPINGS:
            return self._mapping(kind, inner, value, place)
        if kind not in _LISTS | _SETS or (kind is list and all(each in _PLAIN for each in inner)):
            return value
        if not isinstance(value, list):
            raise Unfit(f"{place} must be a list")
        items = [self.decode(each, item, f"{place}[{at}]") for at, (each, item) in enumerate(_paired(kind, inner, value))]
        if kind in _SETS:
            return frozenset(items) if kind is frozenset else set(items)
        return kind(items) if kind in (tuple, collections.deque) else items

    def _mapping(self, kind: type, inner: tuple[Any, ...], value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise Unfit(f"{place} must be an object")
        of_key, of_value = inner if len(inner) == 2 else (Any, Any)
        found = {
            self._key(of_key, key, place): self.decode(of_value, item, f"{place}[{key!r:.40}]") for key, item in value.items()
        }
        return collections.OrderedDict(found) if kind is collections.OrderedDict else found

    def _key(self, annotation: Any, key: str, place: str) -> Any:
        """JSON has texts as keys only: numbers became their text."""
        kind, _ = self._opened(annotation)
        if kind in (int, float, bool, datetime.timedelta):
            try:
                return self.decode(annotation, json.loads(key), place)
            except ValueError:
                raise Unfit(f"{place} has the key {key!r:.40}, which is no {kind.__name__}") from None
        return self.decode(annotation, key, f"a key of {place}")


def _paired(kind: type, inner: tuple[Any, ...], value: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Each item with its annotation: a tuple has one for each, unless it ends in dots."""
    if kind is tuple and inner and inner[-1] is not ...:
        yield from zip(inner, value, strict=True)
    else:
        yield from ((inner[0] if inner else Any, item) for item in value)


def _has_fields(kind: type) -> bool:
    is_named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    return typing.is_typeddict(kind) or is_named_tuple or dataclasses.is_dataclass(kind) or hasattr(kind, "model_validate")


def _names_of(kind: type) -> Mapping[str, Any]:
    return vars(sys.modules.get(kind.__module__, types))


def _member(kind: type[enum.Enum], value: Any) -> enum.Enum:
    for member in kind:
        if plain(member.value) == value:
            return member
    raise Unfit(f"{value!r:.60} is no value of {kind.__name__}")


def _text(value: Any, kind: type) -> str:
    if not isinstance(value, str):
        raise Unfit(f"a {kind.__name__} is written as text")
    return value
