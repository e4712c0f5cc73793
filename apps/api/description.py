"""The OpenAPI description of all operations, with what each of them may answer when something is wrong."""

from http import HTTPStatus
from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from apps.api.problems import MEDIA_TYPE
from apps.api.schemas import Problem

ALWAYS = (
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE,
)  # fmt: skip
WHEN_WRITING = (HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
"""Beside those: somebody was faster, or there is too much of it."""
TOKEN = {"type": "http", "scheme": "bearer", "description": "A token of a member, which names the workspace."}


class DescribedAPI(NinjaAPI):
    """Every error of every operation has one shape (see `problems`), so it is described here once and not beside each."""

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None) -> OpenAPISchema:
        """The description as it is served."""
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        schema["components"]["securitySchemes"] = {"token": TOKEN}
        schema["security"] = [{"token": []}]
        for operations in schema["paths"].values():
            for method, operation in operations.items():
                for status in ALWAYS if method == "get" else (*ALWAYS, *WHEN_WRITING):
                    operation["responses"].setdefault(status.value, described_problem(status))
        return schema


def described_problem(status: HTTPStatus) -> dict[str, Any]:
    """How an operation describes that it may answer with this status."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": status.phrase, "content": content}
