"""How bodies are read."""

from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser


class ObjectParser(Parser):
    """Takes JSON objects alone. Where every field has a default, a list, a text or null would else count as an object without
    any, and the operation would be done."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Raises: ValueError or TypeError, which are told as 400."""
        body: Any = super().parse_body(request)
        if not isinstance(body, dict):
            raise TypeError("The body is no JSON object.")
        return body
