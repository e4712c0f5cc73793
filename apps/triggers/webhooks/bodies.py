"""What a sender's bytes say: JSON read strictly, other text as text, the rest in base64."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.functions.arguments import find_unkeepable
from apps.functions.reader.literals import storable
from apps.triggers.webhooks.schemes import Incoming


class BadBody(Invalid):
    """It is said to be JSON and is none that can be kept."""

    code = "bad_body"
    status = 400


@dataclass(frozen=True)
class Content:
    """`value` is what rules read as `event.data.body`; `encoding` says what it is: json, text, base64 or none."""

    value: Any
    encoding: str


def read_body(incoming: Incoming) -> Content:
    """JSON where the content type says so, else text if it is UTF-8, else base64.

    Raises:
        BadBody
    """
    if not incoming.body:
        return Content(None, "none")
    if incoming.content_type == "application/json" or incoming.content_type.endswith("+json"):
        return Content(_read_json(incoming.body), "json")
    text = _as_text(incoming.body)
    return Content(base64.b64encode(incoming.body).decode(), "base64") if text is None else Content(text, "text")


def _as_text(body: bytes) -> str | None:
    """None for what is no UTF-8, or no text that can be kept."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if storable(text) else None


def _read_json(body: bytes) -> Any:
    """Two readers of one text must not see different things: what JSON leaves open is refused."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise BadBody("The body is said to be JSON and is no UTF-8.") from None
    except RecursionError:
        raise BadBody("The JSON of the body is nested too deep.") from None
    except ValueError as error:
        raise BadBody(f"The body is said to be JSON and cannot be read: {str(error)[:200]}.") from None
    if unkeepable := find_unkeepable(value):
        path, sentence = next(iter(unkeepable.items()))
        raise BadBody(f"{path}: {sentence}" if path else sentence)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
