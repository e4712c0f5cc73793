"""Whatever programs send, the API answers what its description says: no server error, no status and no body beside it.

Requests are made from the description by schemathesis, the same ones in every run. Each is undone, so that the next one meets
the same rows. Runs that they start stay queued: nothing is executed.
"""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.api.urls import api
from apps.core.tenancy import scope
from apps.workspaces.models import Membership
from apps.workspaces.roles import Role
from apps.workspaces.services import create_token
from tests.api.conftest import ROOT
from tests.api.test_operations import TABLE, filled, values_of

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
UPLOADS = {("POST", "/files"), ("POST", "/import")}
MANY, FEW = 12, 2
"""Requests for an operation, made from its description: of a token of the owner, who gets furthest; and of everybody else."""

type Headers = dict[str, str]


@pytest.fixture
def described(things: SimpleNamespace, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The description as it is served, with the application behind it."""
    settings.ALLOWED_HOSTS = ["localhost"]
    monkeypatch.setattr("apps.api.functions.LONGEST_WAIT", 0.01)
    for signal in (request_started, request_finished):  # as Django's own client for tests: the connection is the test's
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi(f"{ROOT}/openapi.json", WSGIHandler())
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def by_token(member: Membership) -> Headers:
    with scope(member.workspace_id):
        return {"Authorization": f"Bearer {create_token(actor=member, name='A program', lifetime=None)}"}


def operations(described: Any) -> Iterator[Any]:
    for found in described.get_all_operations():
        yield found.ok()


def requests_for(operation: Any) -> st.SearchStrategy[Any]:
    """What fits the description, and what does not where there is anything that could be wrong."""
    fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if operation.body or operation.path_parameters or operation.query or operation.headers:
        return fitting | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    return fitting


def check_answer(case: Any, headers: Headers) -> int:
    """One request, undone. Gives its status."""
    with transaction.atomic():
        response = case.call(headers=headers)
        transaction.set_rollback(True)
    case.validate_response(response, checks=CHECKS)
    return int(response.status_code)


def check_generated(operation: Any, headers: Headers, values: dict[str, Any], examples: int) -> None:
    """Half of the requests name rows that are there."""

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=requests_for(operation), is_known=st.booleans())
    def send(case: Any, is_known: bool) -> None:
        if is_known and case.path_parameters:
            case.path_parameters = {name: values.get(name, value) for name, value in case.path_parameters.items()}
        check_answer(case, headers)

    send()


def sound_request(operation: Any, values: dict[str, Any]) -> Any:
    """The request of the table of operations, which reaches what the description calls success wherever one can."""
    path = operation.path.removeprefix(ROOT)
    known = {name: str(value) for name, value in values.items() if f"{{{name}}}" in path}
    if (operation.method.upper(), path) in UPLOADS:
        return operation.Case(path_parameters=known, body={"file": b"hello"}, media_type="multipart/form-data")
    if not operation.body:
        return operation.Case(path_parameters=known)
    body = filled(TABLE[operation.method.upper(), path].body, values)
    return operation.Case(path_parameters=known, body=body, media_type="application/json")


def check_all(described: Any, headers: Headers, values: dict[str, Any], examples: int) -> dict[str, int]:
    """Gives what the sound request of each operation came to."""
    statuses = {}
    for operation in operations(described):
        statuses[f"{operation.method.upper()} {operation.path}"] = check_answer(sound_request(operation, values), headers)
        check_generated(operation, headers, values, examples)
    return statuses


def as_text(values: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in values.items()}


def test_an_owners_token_gets_only_answers_that_are_described(described, cast, things) -> None:
    statuses = check_all(described, by_token(cast.owner), as_text(values_of(things)), MANY)
    succeeded = [status for status in statuses.values() if status < 300]
    assert len(succeeded) > 0.8 * len(statuses), statuses


@pytest.mark.parametrize("role", Role, ids=str)
def test_every_role_gets_only_answers_that_are_described(described, cast, things, role: Role) -> None:
    statuses = check_all(described, by_token(getattr(cast, role.value)), as_text(values_of(things)), FEW)
    assert 401 not in statuses.values()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer sst_no-such-token"}], ids=["none", "wrong"])
def test_without_a_sign_in_every_answer_is_a_described_refusal(described, things, headers: Headers) -> None:
    statuses = check_all(described, headers, as_text(values_of(things)), FEW)
    assert set(statuses.values()) == {401}


def test_every_operation_describes_its_errors() -> None:
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            described = {int(status) for status in operation["responses"]}
            assert {400, 401, 403, 404, 422, 429, 503} <= described, f"{method} {path}"
            assert method == "get" or {409, 413} <= described, f"{method} {path}"


def test_what_goes_wrong_round_the_operations_has_the_same_shape(cast, things, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("a detail of the inside")

    monkeypatch.setattr("apps.api.limits.workspace_maxima", broken)
    client, headers = Client(raise_request_exception=False), by_token(cast.owner)
    unknown, method = client.get(f"{ROOT}/no-such-noun", headers=headers), client.put(f"{ROOT}/runs", headers=headers)
    ranged = client.get(f"{ROOT}/files/{things.artifact.pk}/content", headers={**headers, "Range": "bytes=100-"})
    failed = client.get(f"{ROOT}/limits", headers=headers)
    answers = (unknown, method, failed, ranged)
    assert [each.status_code for each in answers] == [404, 405, 500, 416]
    assert {each.headers["Content-Type"] for each in answers} == {"application/problem+json"}
    assert [each.json()["code"] for each in answers[:3]] == ["not_found", "method_not_allowed", "internal_server_error"]
    assert (method.headers["Allow"], ranged.headers["Content-Range"]) == ("GET", "bytes */5")
    assert b"inside" not in failed.content


HUGE = b"9" * 4000
NINES = "9" * 400
NOT_JSON = {
    "nothing": b"", "no UTF-8": b'{"name": "\xff\xfe"}', "half": b'{"name": "a',
    "two": b"{}{}", "a bomb of brackets": b"[" * 100_000, "a bomb of objects": b'{"a":' * 50_000, "NUL": b"\x00",
    "a list": b"[]", "null": b"null", "a text": b'"{}"', "a number beyond all": b"1" + HUGE, "not a number": b"NaN",
    "a form": b"name=a&source=b",
}  # fmt: skip


ODD_VALUES = {
    "an object of surrogates": rb'{"\ud800": "\udfff"}', "NUL": rb'"\u0000"', "a list of NUL": rb'["\u0000"]',
    "an object of huge numbers": b'{"a": %s}' % HUGE, "an object of infinity": b'{"a": 1e999}',
    "an object that is deep": b'{"a":' * 500 + b"1" + b"}" * 500,
}  # fmt: skip
WRITING = sorted(operation for operation in TABLE if operation[0] in ("POST", "PUT") and operation not in UPLOADS)


def odd_bodies(operation: tuple[str, str], value: bytes, values: dict[str, Any]) -> Iterator[bytes]:
    """The sound body with one field after the other that is odd: what is wrong first would hide the rest."""
    method, path = operation
    body = api.get_openapi_schema()["paths"][ROOT + path][method.lower()].get("requestBody")
    if body is None:
        return
    schema = body["content"]["application/json"]["schema"]
    known = api.get_openapi_schema()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    sound = as_text(filled(TABLE[operation].body, values))
    for name in [*known, "no_such_field"]:
        fields = {**{field: json.dumps(given, default=str).encode() for field, given in sound.items()}, name: value}
        yield b"{" + b", ".join(b'"%s": %s' % (field.encode(), given) for field, given in fields.items()) + b"}"


def check_refused_or_done(response: Any) -> None:
    assert response.status_code < 500, response.content[:500]
    if response.status_code >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["title"]


@pytest.fixture
def send(cast, things) -> Callable[..., Any]:
    """One request of the owner, undone."""
    client, headers, values = Client(raise_request_exception=False), by_token(cast.owner), values_of(things)

    def sent(
        operation: tuple[str, str], body: bytes = b"", *, query: str = "", media_type: str = "application/json", **more: str
    ) -> Any:
        method, path = operation
        address = ROOT + path.format(**values) + query
        with transaction.atomic():
            response = client.generic(method, address, body, content_type=media_type, headers={**headers, **more})
            transaction.set_rollback(True)
        return response

    return sent


@pytest.mark.parametrize("name", NOT_JSON)
def test_a_body_that_is_no_json_object_is_refused_by_every_operation(send, name: str) -> None:
    for operation in WRITING:
        if TABLE[operation].body:
            response = send(operation, NOT_JSON[name])
            assert response.status_code in (400, 413, 422), (operation, response.content[:300])
            check_refused_or_done(response)


@pytest.mark.parametrize("name", ODD_VALUES)
def test_an_odd_value_in_any_field_is_never_a_server_error(send, things, name: str) -> None:
    for operation in WRITING:
        for body in odd_bodies(operation, ODD_VALUES[name], values_of(things)):
            check_refused_or_done(send(operation, body))


@pytest.mark.parametrize(
    ("media_type", "accept"),
    [("text/plain", "*/*"), ("", ""), ("application/json; charset=no-such", "text/html"), ("multipart/form-data", "image/png"),
     ("application/x-www-form-urlencoded", "application/xml;q=2"), ("\x01", ";;;")],
)  # fmt: skip
def test_odd_media_types_are_never_a_server_error(send, media_type: str, accept: str) -> None:
    for operation in TABLE:
        check_refused_or_done(send(operation, b'{"name": "a"}', media_type=media_type, Accept=accept))


@pytest.mark.parametrize(
    "query",
    [
        "after=x", "after=%00", "after=%ff", f"after={NINES}", f"limit={NINES}", "limit=-1", "limit=1e3", "state=%00",
        "search=%00", "search=%ed%a0%80", "type=%00", "where=%00", "where=[[[[", "order=%00", "prefix=%00", "kind=%00",
        f"before={NINES}", "wait=nan", "wait=-inf", "focus=%00", "shelf=%00", "health=%00", "after=1&after=2",
],
)  # fmt: skip
def test_odd_queries_and_cursors_are_never_a_server_error(send, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    monkeypatch.setattr("apps.api.functions.LONGEST_WAIT", 0.01)
    for operation in TABLE:
        if operation[0] == "GET" or "runs" in operation[1]:
            check_refused_or_done(send(operation, b"{}", query=f"?{query}"))


@pytest.mark.parametrize(
    "piece", ["%00", "%ff", "%ed%a0%80", "..", "%2e%2e%2f", "a" * 3000, "9" * 400, "-1", "%20", "%F0%9F%98%80"]
)
def test_odd_pieces_of_an_address_are_never_a_server_error(cast, things, piece: str) -> None:
    client, headers = Client(raise_request_exception=False), by_token(cast.owner)
    names = dict.fromkeys(values_of(things), piece)
    for method, path in TABLE:
        with transaction.atomic():
            response = client.generic(
                method, ROOT + path.format(**names), b"{}", content_type="application/json", headers=headers
            )
            transaction.set_rollback(True)
        assert response.status_code < 500, (method, path, response.content[:300])
