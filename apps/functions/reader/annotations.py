"""JSON Schema (draft 2020-12) of type annotations, read and never evaluated.

An annotation that is not understood gives the schema that accepts anything: a wrong refusal would be worse.
"""

import ast
from collections.abc import Callable
from typing import Any

from apps.functions.reader.literals import NotJson, cleaned, json_literal
from apps.functions.reader.module import Module

type Schema = dict[str, Any]

MAX_NODES = 5_000
"""Annotation nodes followed for one signature; aliases that double each other would otherwise never end."""

_NULL: Schema = {"type": "null"}
_PLAIN: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": _NULL,
    "list": {"type": "array"},
    "tuple": {"type": "array"},
    "set": {"type": "array"},  # sent as a list; doubles do no harm, and to look for them costs quadratic time
    "dict": {"type": "object"},
    "bytes": {"type": "string", "format": "base64", "contentEncoding": "base64"},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.time": {"type": "string", "format": "time"},
    "datetime.timedelta": {"type": "number"},  # seconds
    "decimal.Decimal": {"type": "string", "format": "decimal"},
    "pathlib.Path": {"type": "string", "format": "path"},
    "uuid.UUID": {"type": "string", "format": "uuid"},
}
_SAME = {
    **dict.fromkeys(
        ("List", "Sequence", "MutableSequence", "Iterable", "Collection", "Iterator", "AsyncIterable", "AsyncIterator"), "list"
    ),
    **dict.fromkeys(("Dict", "Mapping", "MutableMapping", "DefaultDict", "OrderedDict"), "dict"),
    **dict.fromkeys(("Set", "FrozenSet", "AbstractSet", "MutableSet"), "set"),
    "Tuple": "tuple",
    "Text": "str",
}
_OTHER_NAMES = {
    "frozenset": "set",
    "bytearray": "bytes",
    "collections.deque": "list",
    "collections.defaultdict": "dict",
    "collections.OrderedDict": "dict",
    "pathlib.PurePath": "pathlib.Path",
    "pathlib.PosixPath": "pathlib.Path",
    "types.NoneType": "None",
}


class SignatureTooLarge(Exception):
    """The annotations of one signature unfold to more than can be described."""


class AnnotationReader:
    """Turns annotations of one module into schemas; classes of the module land in `definitions` and are referred to."""

    def __init__(self, module: Module, class_schema: Callable[["AnnotationReader", ast.ClassDef], Schema]) -> None:
        self.module = module
        self.definitions: dict[str, Schema] = {}
        self._class_schema = class_schema
        self._unfolding: list[str] = []
        self._nodes = 0

    def schema(self, node: ast.expr | None) -> Schema:
        """Give the schema of one annotation.

        Raises:
            SignatureTooLarge: more than `MAX_NODES` were followed.
        """
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise SignatureTooLarge
        match node:
            case ast.Constant(value=None):
                return dict(_NULL)
            case ast.Constant(value=str() as text):
                return self._forward(text)
            case ast.Name() | ast.Attribute():
                return self._named(node)
            case ast.Subscript(value=origin, slice=inner):
                return self._generic(canonical(self.module.dotted(origin)), _items(inner))
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return self._union([left, right])
        return {}

    def _forward(self, text: str) -> Schema:
        try:
            return self.schema(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, ValueError):
            return {}

    def _named(self, node: ast.expr) -> Schema:
        name = canonical(self.module.dotted(node))
        if name in self.module.classes:
            return self._class(name)
        if name in self.module.aliases:
            return self._alias(name)
        return dict(_PLAIN.get(name, {}))

    def _alias(self, name: str) -> Schema:
        if name in self._unfolding:
            return {}
        self._unfolding.append(name)
        try:
            return self.schema(self.module.aliases[name])
        finally:
            self._unfolding.pop()

    def _class(self, name: str) -> Schema:
        if name not in self.definitions:
            self.definitions[name] = {}  # present before its fields are read, so that a class may refer to itself
            self.definitions[name] = self._class_schema(self, self.module.classes[name])
        return {"$ref": f"#/$defs/{name}"}

    def _generic(self, origin: str, items: list[ast.expr]) -> Schema:
        match origin:
            case "list" | "set" | "typing.Generator" | "typing.AsyncGenerator":  # the items of a generator are its result
                return {"type": "array", "items": self.schema(items[0])}
            case "tuple":
                return self._tuple(items)
            case "dict":
                return {"type": "object", "additionalProperties": self.schema(items[-1])}
            case "typing.Optional":
                return self._union([items[0], ast.Constant(None)])
            case "typing.Union":
                return self._union(items)
            case "typing.Literal":
                return _literal(items)
            case "typing.Annotated":
                return self._annotated(items)
            case "typing.Required" | "typing.NotRequired" | "typing.ReadOnly" | "typing.Final":
                return self.schema(items[0])
        return {}

    def _tuple(self, items: list[ast.expr]) -> Schema:
        match items:
            case [item, ast.Constant(value=value)] if value is ...:
                return {"type": "array", "items": self.schema(item)}
            case [ast.Tuple(elts=[])]:
                return {"type": "array", "maxItems": 0}
        prefix = [self.schema(item) for item in items]
        return {"type": "array", "prefixItems": prefix, "minItems": len(prefix), "maxItems": len(prefix)}

    def _union(self, items: list[ast.expr]) -> Schema:
        members: list[Schema] = []
        for item in items:
            schema = self.schema(item)
            members.extend(schema["anyOf"] if schema.keys() == {"anyOf"} else [schema])
        distinct = [member for number, member in enumerate(members) if member not in members[:number]]
        if {} in distinct:
            return {}
        return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}

    def _annotated(self, items: list[ast.expr]) -> Schema:
        schema = self.schema(items[0])
        for extra in items[1:]:
            if isinstance(extra, ast.Constant) and isinstance(extra.value, str):
                return {**schema, "description": cleaned(extra.value)}
        return schema


def canonical(name: str) -> str:
    """Bring the several names of one type (`List`, `collections.abc.Sequence`, `frozenset`) to one."""
    for prefix in ("typing_extensions.", "collections.abc."):
        if name.startswith(prefix):
            name = f"typing.{name.removeprefix(prefix)}"
    name = name.removeprefix("builtins.")
    return _SAME.get(name.removeprefix("typing."), name) if name.startswith("typing.") else _OTHER_NAMES.get(name, name)


def nullable(schema: Schema) -> Schema:
    """Let a schema also accept null."""
    if not schema or _NULL in schema.get("anyOf", []) or schema == _NULL:
        return schema
    members = schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
    return {"anyOf": [*members, dict(_NULL)]}


def _items(inner: ast.expr) -> list[ast.expr]:
    return inner.elts if isinstance(inner, ast.Tuple) and inner.elts else [inner]


def _literal(items: list[ast.expr]) -> Schema:
    try:
        return {"enum": [json_literal(item) for item in items]}
    except NotJson:
        return {}
