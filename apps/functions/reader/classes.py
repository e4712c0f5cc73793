"""JSON Schema of the simple classes of a module: dataclasses, typed dictionaries, named tuples, models, enumerations."""

import ast
from collections.abc import Iterator
from typing import Any

from apps.functions.reader.annotations import AnnotationReader, Schema, canonical
from apps.functions.reader.literals import NotJson, cleaned, json_literal

_ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum"})
_ALIASES = frozenset({"alias", "validation_alias", "serialization_alias", "alias_generator"})


def class_schema(reader: AnnotationReader, node: ast.ClassDef) -> Schema:
    """Describe a class, or accept anything when it is none of the simple kinds."""
    bases = {canonical(reader.module.dotted(base)) for base in node.bases}
    if bases & _ENUMS:
        return _with_description(node, _enumeration(node, is_text="enum.StrEnum" in bases))
    if "typing.TypedDict" in bases:
        return _with_description(node, _typed_dictionary(reader, node))
    if "typing.NamedTuple" in bases:
        return _with_description(node, _named_tuple(reader, node))
    if "pydantic.BaseModel" in bases:
        return _with_description(node, _model(reader, node))
    if _is_dataclass(reader, node):
        return _with_description(node, _object(reader, list(_dataclass_fields(reader, node, seen=()))))
    return {}


def _with_description(node: ast.ClassDef, schema: Schema) -> Schema:
    text = ast.get_docstring(node)
    return {**schema, "description": cleaned(text)} if text and schema else schema


def _enumeration(node: ast.ClassDef, *, is_text: bool) -> Schema:
    values: list[Any] = []
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=called)) if _is_auto(called):
                if not is_text:
                    return {}
                values.append(name.lower())
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                try:
                    values.append(json_literal(value))
                except NotJson:
                    return {}
    return {"enum": values} if values else {}


def _is_auto(called: ast.expr) -> bool:
    return getattr(called, "attr", getattr(called, "id", "")) == "auto"


def _typed_dictionary(reader: AnnotationReader, node: ast.ClassDef) -> Schema:
    total = not any(
        keyword.arg == "total" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in node.keywords
    )
    fields = []
    for statement in _annotated(node):
        outer = _wrapper(reader, statement.annotation)
        required = outer == "typing.Required" or (total and outer != "typing.NotRequired")
        fields.append((statement, required))
    return _object(reader, fields)


def _named_tuple(reader: AnnotationReader, node: ast.ClassDef) -> Schema:
    fields = list(_annotated(node))
    return {
        "type": "array",
        "prefixItems": [reader.schema(statement.annotation) for statement in fields],
        "minItems": sum(statement.value is None for statement in fields),
        "maxItems": len(fields),
    }


def _model(reader: AnnotationReader, node: ast.ClassDef) -> Schema:
    """Of pydantic: other names than the fields' may come by aliases, and by default more than was asked for is no fault."""
    if any(isinstance(inner, ast.keyword) and inner.arg in _ALIASES for inner in ast.walk(node)):
        return {}
    fields = [each for each in _annotated(node) if _wrapper(reader, each.annotation) != "typing.ClassVar"]
    named = [each for each in fields if isinstance(each.target, ast.Name) and each.target.id != "model_config"]
    schema = _object(reader, [(each, _has_no_default(each.value)) for each in named])
    return {**schema, "additionalProperties": True}


def _wrapper(reader: AnnotationReader, annotation: ast.expr) -> str:
    return canonical(reader.module.dotted(annotation.value)) if isinstance(annotation, ast.Subscript) else ""


def _is_dataclass(reader: AnnotationReader, node: ast.ClassDef) -> bool:
    decorators = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
    return any(reader.module.dotted(decorator) == "dataclasses.dataclass" for decorator in decorators)


def _dataclass_fields(
    reader: AnnotationReader, node: ast.ClassDef, *, seen: tuple[str, ...]
) -> Iterator[tuple[ast.AnnAssign, bool]]:
    for base in node.bases:
        parent = reader.module.classes.get(reader.module.dotted(base))
        if parent is not None and parent.name not in seen and _is_dataclass(reader, parent):
            yield from _dataclass_fields(reader, parent, seen=(*seen, node.name))
    for statement in _annotated(node):
        if _wrapper(reader, statement.annotation) != "typing.ClassVar" and _is_initialised(statement.value):
            yield statement, _has_no_default(statement.value)


def _is_initialised(value: ast.expr | None) -> bool:
    init = _field_keywords(value).get("init")
    return not (isinstance(init, ast.Constant) and init.value is False)


def _has_no_default(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call) and _is_field(value):
        return not _field_keywords(value).keys() & {"default", "default_factory"}
    return value is None


def _field_keywords(value: ast.expr | None) -> dict[str | None, ast.expr]:
    if isinstance(value, ast.Call) and _is_field(value):
        return {keyword.arg: keyword.value for keyword in value.keywords}
    return {}


def _is_field(call: ast.Call) -> bool:
    return getattr(call.func, "attr", getattr(call.func, "id", "")) in ("field", "Field")


def _annotated(node: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement


def _object(reader: AnnotationReader, fields: list[tuple[ast.AnnAssign, bool]]) -> Schema:
    named = {statement.target.id: (statement, required) for statement, required in fields
             if isinstance(statement.target, ast.Name)}  # fmt: skip
    return {
        "type": "object",
        "properties": {name: reader.schema(statement.annotation) for name, (statement, _) in named.items()},
        "required": [name for name, (_, required) in named.items() if required],
        "additionalProperties": False,
    }
