"""JSON Schema of a function's arguments and of its result, from its signature and docstring.

Own keywords, for what JSON Schema has no word: `x-order` (jsonb forgets the order of properties),
`x-positional-only`, `x-variadic` (the name of `*args`) and `x-variadic-keywords` (the name of `**kwargs`).
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.functions.reader.annotations import AnnotationReader, Schema, nullable
from apps.functions.reader.classes import class_schema
from apps.functions.reader.docstrings import Docstring
from apps.functions.reader.literals import NotJson, cleaned, json_literal
from apps.functions.reader.module import FunctionNode, Module

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that is passed by name, with the expression of its default if it has one."""

    node: ast.arg
    default: ast.expr | None


def input_schema(module: Module, function: FunctionNode, docstring: Docstring) -> Schema:
    """Describe the arguments of a function.

    Raises:
        SignatureTooLarge: the annotations unfold without end.
    """
    reader = AnnotationReader(module, class_schema)
    arguments, parameters = function.args, list(_parameters(function.args))
    properties = {item.node.arg: _property(reader, item, docstring) for item in parameters}
    schema: Schema = {
        "$schema": DIALECT,
        "type": "object",
        "properties": properties,
        "required": [item.node.arg for item in parameters if item.default is None],
        "additionalProperties": False,
    }
    if arguments.posonlyargs:
        schema["x-positional-only"] = [node.arg for node in arguments.posonlyargs]
    if arguments.vararg:
        properties[arguments.vararg.arg] = _variadic(reader, arguments.vararg, docstring)
        schema["x-variadic"] = arguments.vararg.arg
    if arguments.kwarg:
        schema["additionalProperties"] = reader.schema(arguments.kwarg.annotation)
        schema["x-variadic-keywords"] = arguments.kwarg.arg
    schema["x-order"] = list(properties)
    return _with_definitions(schema, reader)


def output_schema(module: Module, function: FunctionNode, docstring: Docstring) -> Schema:
    """Describe the result of a function; without a return annotation anything may come.

    Raises:
        SignatureTooLarge: the annotation unfolds without end.
    """
    reader = AnnotationReader(module, class_schema)
    schema = {"$schema": DIALECT, **reader.schema(function.returns)}
    return _with_definitions(_described(schema, docstring.result), reader)


def _parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = len(positional) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [*([None] * without_default), *arguments.defaults, *arguments.kw_defaults]
    for node, default in zip([*positional, *arguments.kwonlyargs], defaults, strict=True):
        yield Parameter(node, default)


def _property(reader: AnnotationReader, parameter: Parameter, docstring: Docstring) -> Schema:
    schema = _described(reader.schema(parameter.node.annotation), docstring.parameters.get(parameter.node.arg, ""))
    if parameter.default is None:
        return schema
    try:
        default: Any = json_literal(parameter.default)
    except NotJson:
        return schema
    # `limit: int = None` is written everywhere and means that None may be passed.
    return {**(_described_nullable(schema) if default is None else schema), "default": default}


def _described_nullable(schema: Schema) -> Schema:
    description = schema.get("description", "")
    return _described(nullable({key: value for key, value in schema.items() if key != "description"}), description)


def _variadic(reader: AnnotationReader, node: ast.arg, docstring: Docstring) -> Schema:
    schema: Schema = {"type": "array", "items": reader.schema(node.annotation)}
    return _described(schema, docstring.parameters.get(node.arg, ""))


def _described(schema: Schema, text: str) -> Schema:
    return {**schema, "description": cleaned(text)} if text else schema


def _with_definitions(schema: Schema, reader: AnnotationReader) -> Schema:
    return {**schema, "$defs": reader.definitions} if reader.definitions else schema
