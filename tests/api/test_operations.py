"""Who may call which operation: a table of all of them. An operation that is not in it fails."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from apps.api.urls import api
from apps.core.tenancy import scope
from apps.packs.trees import write_zip
from apps.workspaces.roles import PERMISSIONS, TOKEN_SCOPES, Permission, Role
from apps.workspaces.services import create_token
from tests.api.conftest import ROOT, Call, Caller

V, R, D, VO, A = Permission.VIEW, Permission.RUN, Permission.DEVELOP, Permission.VOTE, Permission.ADMINISTER
P = Permission.PROPOSE
SOURCE = "def whisper(text: str) -> str:\n    return text.lower()\n"
PACK = "@func.register_function()\ndef packed(): ...\n"
LOUDER = "def shout(text: str) -> str:\n    return text.upper() + '!'\n"


@dataclass(frozen=True)
class Row:
    """`status` is for a member with the permission; `by_token` where a token gets something else.

    `own` says that only the developer, who made acme's things, gets that far; other members are refused.
    """

    needs: Permission
    status: int
    body: dict[str, Any] = field(default_factory=dict)
    by_token: int = 0
    own: bool = False
    query: str = ""


VOTE = {"decision": "approve", "reason": "Fine.", "digest": "{digest}"}
RULE = {"name": "Again", "event_type": "order.paid", "target": "shout", "arguments": {"text": "event.data.text"}}
TABLE: dict[tuple[str, str], Row] = {
    ("POST", "/tokens"): Row(V, 201, {"name": "mine", "days": 1}, by_token=403),
    ("GET", "/tokens"): Row(V, 200),
    ("DELETE", "/tokens/{token_id}"): Row(V, 404, by_token=403),
    ("POST", "/files"): Row(R, 201),
    ("GET", "/files/{file_id}"): Row(V, 200),
    ("GET", "/files/{file_id}/content"): Row(V, 200),
    ("GET", "/functions"): Row(V, 200),
    ("POST", "/functions"): Row(D, 201, {"source": SOURCE}),
    ("GET", "/functions/{name}"): Row(V, 200),
    ("POST", "/functions/{name}/versions"): Row(D, 201, {"source": LOUDER}),
    ("GET", "/functions/{name}/versions"): Row(V, 200),
    ("GET", "/functions/{name}/versions/{number}"): Row(V, 200),
    ("GET", "/functions/{name}/versions/{number}/examples"): Row(V, 200),
    ("POST", "/functions/{name}/versions/{number}/examples"): Row(R, 422),
    ("POST", "/functions/{name}/examples"): Row(D, 200, {"required": True}),
    ("GET", "/functions/{name}/diff"): Row(V, 200),
    ("POST", "/functions/{name}/activate"): Row(D, 200, {"version": 1, "instead_of": 1}),
    ("POST", "/functions/{name}/roll-back"): Row(D, 200, {"version": 1}),
    ("GET", "/functions/{name}/users"): Row(V, 200),
    ("POST", "/functions/{name}/forget-answers"): Row(D, 200),
    ("POST", "/functions/{name}/archive"): Row(D, 409),
    ("POST", "/functions/{name}/unarchive"): Row(D, 200),
    ("PATCH", "/functions/{name}"): Row(D, 200, {"description": "Says it.", "tags": ["text"]}),
    ("DELETE", "/functions/{name}"): Row(A, 409),
    ("GET", "/functions/{name}/health"): Row(V, 200),
    ("POST", "/functions/move"): Row(D, 200, {"functions": ["{name}"], "folder": "billing"}),
    ("PUT", "/functions/{name}/owner"): Row(A, 200, {"owner": "developer"}),
    ("GET", "/folders"): Row(V, 200),
    ("POST", "/folders"): Row(D, 201, {"path": "billing/reports"}),
    ("PATCH", "/folders"): Row(D, 200, {"path": "accounting"}, query="?path=billing"),
    ("DELETE", "/folders"): Row(D, 204, query="?path=billing"),
    ("PUT", "/folders/access"): Row(A, 200, {"action": "run", "roles": ["developer"]}, query="?path=billing"),
    ("GET", "/groups"): Row(V, 200),
    ("PUT", "/groups/{name}"): Row(A, 200, {"members": ["developer"]}),
    ("DELETE", "/groups/{name}"): Row(A, 204),
    ("POST", "/functions/{name}/runs"): Row(R, 202, {"arguments": {"text": "hello"}}),
    ("GET", "/packs"): Row(V, 200),
    ("POST", "/packs"): Row(D, 200, {"files": [{"name": "a.py", "text": PACK}]}),
    ("GET", "/shipped-packs"): Row(V, 200),
    ("POST", "/shipped-packs/{pack_name}"): Row(D, 404, {"only_look": True}),
    ("POST", "/import"): Row(D, 200),
    ("GET", "/packs/{pack_name}"): Row(V, 200),
    ("POST", "/packs/{pack_name}/remove"): Row(D, 200),
    ("POST", "/packs/{pack_name}/restore"): Row(D, 409),
    ("GET", "/packs/{pack_name}/export"): Row(V, 200),
    ("GET", "/export"): Row(V, 200),
    ("GET", "/graph"): Row(V, 200),
    ("GET", "/limits"): Row(V, 200),
    ("GET", "/runs"): Row(V, 200),
    ("GET", "/runs/{run_id}"): Row(V, 200),
    ("GET", "/runs/{run_id}/log"): Row(V, 200),
    ("GET", "/runs/{run_id}/items"): Row(V, 200),
    ("GET", "/runs/{run_id}/connections"): Row(V, 200),
    ("GET", "/runs/{run_id}/model-calls"): Row(V, 200),
    ("POST", "/runs/{run_id}/cancel"): Row(R, 200),
    ("POST", "/runs/{run_id}/restart"): Row(R, 202, {"arguments": {"text": "again"}}),
    ("GET", "/bulk"): Row(V, 200),
    ("POST", "/bulk"): Row(R, 202, {"kind": "cancel", "filter": {"state": "open"}}),
    ("GET", "/bulk/{bulk_id}"): Row(V, 200),
    ("GET", "/events"): Row(V, 200),
    ("POST", "/events"): Row(R, 201, {"type": "order.sent"}),
    ("GET", "/events/{event_id}"): Row(V, 200),
    ("POST", "/events/{event_id}/replay"): Row(R, 201),
    ("GET", "/rules"): Row(V, 200),
    ("POST", "/rules"): Row(D, 201, RULE),
    ("POST", "/rules/try"): Row(D, 200, RULE),
    ("GET", "/rules/{rule_id}"): Row(V, 200),
    ("PUT", "/rules/{rule_id}"): Row(D, 200, RULE),
    ("DELETE", "/rules/{rule_id}"): Row(D, 204),
    ("POST", "/rules/{rule_id}/switch"): Row(D, 200, {"is_active": False}),
    ("POST", "/rules/{rule_id}/fire"): Row(R, 202, {"data": {"text": "hello"}}),
    ("GET", "/rules/{rule_id}/deliveries"): Row(V, 200),
    ("GET", "/schedules"): Row(V, 200),
    ("POST", "/schedules"): Row(D, 201, {"name": "every_evening", "cron": "0 18 * * *"}),
    ("GET", "/schedules/{schedule_id}"): Row(V, 200),
    ("PUT", "/schedules/{schedule_id}"): Row(D, 200, {"cron": "0 19 * * *", "is_active": False}),
    ("DELETE", "/schedules/{schedule_id}"): Row(D, 204),
    ("GET", "/webhooks"): Row(V, 200),
    ("POST", "/webhooks"): Row(D, 201, {"name": "payments", "scheme": "stripe"}),
    ("GET", "/webhooks/{webhook_id}"): Row(V, 200),
    ("PUT", "/webhooks/{webhook_id}"): Row(D, 200, {"max_bytes": 1000}),
    ("DELETE", "/webhooks/{webhook_id}"): Row(D, 204),
    ("POST", "/webhooks/{webhook_id}/switch"): Row(D, 200, {"is_active": False}),
    ("POST", "/webhooks/{webhook_id}/secret"): Row(D, 200),
    ("POST", "/webhooks/{webhook_id}/test"): Row(R, 200, {"body": "[1]"}),
    ("GET", "/webhooks/{webhook_id}/deliveries"): Row(V, 200),
    ("GET", "/me"): Row(V, 200),
    ("GET", "/secrets"): Row(V, 200),
    ("PUT", "/secrets/{name}"): Row(A, 200, {"value": "as long as needed"}),
    ("GET", "/store"): Row(V, 200),
    ("GET", "/store/{collection}"): Row(V, 200),
    ("GET", "/store/{collection}/{key}"): Row(V, 200),
    ("PUT", "/store/{collection}/{key}"): Row(D, 200, {"value": {"n": 2}}),
    ("DELETE", "/store/{collection}/{key}"): Row(D, 204),
    ("GET", "/tasks"): Row(V, 200),
    ("POST", "/tasks"): Row(D, 201, {"prompt": "Do it.", "model": "{model_id}", "files": ["{file_id}"]}),
    ("GET", "/tasks/{task_id}"): Row(V, 200),
    ("POST", "/tasks/{task_id}/cancel"): Row(D, 200),
    ("POST", "/tasks/{task_id}/answer"): Row(D, 409, {"answer": "Yes."}, by_token=403, own=True),
    ("GET", "/packages"): Row(V, 200),
    ("POST", "/packages"): Row(P, 202, {"requirements": ["leaf"], "reason": "To see."}),
    ("GET", "/packages/{package_set_id}"): Row(V, 200),
    ("GET", "/approvals"): Row(V, 200),
    ("GET", "/approvals/{request_id}"): Row(V, 200),
    ("POST", "/approvals/{request_id}/votes"): Row(VO, 201, VOTE, by_token=403),
}


def values_of(things: SimpleNamespace) -> dict[str, Any]:
    """What the table's placeholders stand for."""
    return {
        "name": things.function.name, "file_id": things.artifact.pk, "run_id": things.run.pk, "task_id": things.task.pk,
        "model_id": things.model.pk, "package_set_id": things.package_set.pk, "request_id": things.request.pk,
        "digest": things.request.digest, "number": things.version.number,
        "bulk_id": things.bulk.pk, "event_id": things.event.pk, "rule_id": things.rule.pk, "schedule_id": things.schedule.pk,
        "token_id": UUID(int=5), "pack_name": things.pack.name, "webhook_id": things.webhook.pk,
        "collection": things.collection.name, "key": things.document.key,
    }  # fmt: skip


def filled(template: Any, values: dict[str, Any]) -> Any:
    if isinstance(template, dict):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    return template.format(**values) if isinstance(template, str) and template.startswith("{") else template


def answer(caller: Caller, operation: tuple[str, str], values: dict[str, Any]) -> Any:
    """One call, and nothing of it stays."""
    method, path = operation
    with transaction.atomic():
        if method == "GET":
            response = caller.get(path.format(**values))
        elif path == "/files":
            response = caller.upload(SimpleUploadedFile("notes.txt", b"hello"))
        elif path == "/import":
            response = caller.upload(SimpleUploadedFile("a.zip", write_zip({"a.py": PACK})), path)
        else:
            row = TABLE[operation]
            response = caller.send(method, path.format(**values) + row.query, json.dumps(filled(row.body, values)))
        transaction.set_rollback(True)
    return response


@pytest.fixture(params=sorted(TABLE), ids=" ".join)
def operation(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


def test_every_operation_is_in_the_table() -> None:
    paths = api.get_openapi_schema()["paths"]
    declared = {(method.upper(), path.removeprefix(ROOT)) for path, methods in paths.items() for method in methods}
    assert declared == set(TABLE)


def test_every_role_gets_what_the_table_says(operation, cast, things, by_session: Call, by_token: Call) -> None:
    row, values = TABLE[operation], values_of(things)
    for role in Role:
        member = getattr(cast, role.value)
        entitled = row.needs in PERMISSIONS[role]
        may = entitled and (role == Role.DEVELOPER or not row.own)
        session = answer(by_session(member), operation, values)
        token = answer(by_token(member), operation, values)
        assert session.status_code == (row.status if may else 403), f"{role} by session: {session.content[:300]!r}"
        assert token.status_code == ((row.by_token or row.status) if may else 403), f"{role} by token: {token.content[:300]!r}"
        if not may:
            assert session.json()["code"] == ("not_your_task" if entitled else "permission_missing")
            assert session["Content-Type"] == "application/problem+json"


def test_a_token_does_what_its_scopes_say_and_no_more(operation, cast, things) -> None:
    row, member = TABLE[operation], cast.developer if TABLE[operation].own else cast.owner
    for scopes in [*([each] for each in TOKEN_SCOPES), [Permission.RUN, Permission.PROPOSE]]:
        with scope(member.workspace_id):
            token = create_token(actor=member, name="A", lifetime=None, scopes=scopes)
        answered = answer(Caller(headers={"Authorization": f"Bearer {token}"}), operation, values_of(things))
        covered = {permission for each in scopes for permission in TOKEN_SCOPES[each]}
        may = row.needs in covered or row.needs == VO  # who may vote in person is told that a token cannot
        assert answered.status_code == ((row.by_token or row.status) if may else 403), f"{scopes}: {answered.content!r}"
        if not may:
            assert answered.json()["code"] == "scope_missing"


def test_a_token_for_named_functions_runs_those_and_does_nothing_else(operation, cast, things) -> None:
    row = TABLE[operation]
    codes = {}
    for name in (things.function.name, "another"):
        with scope(cast.acme.pk):
            token = create_token(actor=cast.owner, name="A", lifetime=None, scopes=["view", "run"], functions=[name])
        caller = Caller(headers={"Authorization": f"Bearer {token}"})
        codes[name] = answer(caller, operation, values_of(things)).status_code
    is_its_own = operation in {("POST", "/functions/{name}/runs"), ("POST", "/runs/{run_id}/cancel")}
    people_only = bool(row.by_token) and row.needs == VO
    allowed = row.needs == V or people_only
    assert codes[things.function.name] == ((row.by_token or row.status) if allowed or is_its_own else 403)
    assert codes["another"] == ((row.by_token or row.status) if allowed else 403)


def test_without_a_sign_in_nothing_answers(operation, things) -> None:
    response = answer(Caller(), operation, values_of(things))
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")
    wrong = answer(Caller(headers={"Authorization": "Bearer sst_no-such-token"}), operation, values_of(things))
    assert wrong.status_code == 401


def test_a_stranger_cannot_choose_the_workspace(operation, cast, things) -> None:
    answers = [
        answer(Caller(user=cast.stranger.user, headers={"X-Workspace": slug}), operation, values_of(things))
        for slug in ("acme", "no-such-workspace", "")
    ]
    assert [each.status_code for each in answers] == [404] * 3
    assert len({each.content for each in answers}) == 1


def test_a_token_stays_in_its_workspace_whatever_the_header_says(cast, things, foreign, by_token: Call) -> None:
    caller = by_token(cast.stranger)
    caller.headers["X-Workspace"] = "acme"
    assert caller.get(f"/runs/{things.run.pk}").status_code == 404
    assert caller.get(f"/runs/{foreign.run.pk}").status_code == 200


WITH_IDS = sorted(operation for operation in TABLE if "_id}" in operation[1])


@pytest.mark.parametrize("operation", WITH_IDS, ids=" ".join)
def test_foreign_ids_answer_like_missing_ones(operation, cast, things, foreign, by_session: Call) -> None:
    owner = by_session(cast.owner)
    foreign_values = values_of(foreign)
    missing = {key: UUID(int=7) if isinstance(value, UUID) else value for key, value in foreign_values.items()}
    told, nothing = (answer(owner, operation, values) for values in (foreign_values, missing))
    assert (told.status_code, nothing.status_code) == (404, 404)
    assert told.content == nothing.content


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tasks", {"prompt": "Do it.", "model": "{model_id}"}),
        ("/tasks", {"prompt": "Do it.", "files": ["{file_id}"]}),
        ("/functions/shout/runs", {"arguments": {"text": "a"}, "files": ["{file_id}"]}),
    ],
)
def test_foreign_ids_in_a_body_answer_like_missing_ones(path, body, cast, things, foreign, by_session: Call) -> None:
    owner, values = by_session(cast.owner), values_of(foreign)
    if "model" not in body and path == "/tasks":
        body = {**body, "model": str(things.model.pk)}
    missing = {key: UUID(int=7) if isinstance(value, UUID) else value for key, value in values.items()}
    told, nothing = (owner.post(path, filled(body, each)) for each in (values, missing))
    assert (told.status_code, nothing.status_code) == (404, 404), told.content
    assert told.content == nothing.content
