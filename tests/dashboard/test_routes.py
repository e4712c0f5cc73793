"""Who may open which page: a table of every address under /w/. An address that is not in it fails."""

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.workspaces.roles import PERMISSIONS, Permission, Role
from tests.dashboard.conftest import ids_of

V, R, D, VO, A = Permission.VIEW, Permission.RUN, Permission.DEVELOP, Permission.VOTE, Permission.ADMINISTER
P = Permission.PROPOSE


@dataclass(frozen=True)
class Row:
    """`status` is what a member with the permission gets; POSTs are sent without any field unless `data` says."""

    needs: Permission
    status: int
    data: dict[str, str] | None = None


TABLE: dict[tuple[str, str], Row] = {
    ("home", "GET"): Row(V, 200),
    ("tasks-list", "GET"): Row(V, 200),
    ("task-new", "GET"): Row(D, 200),
    ("task-new", "POST"): Row(D, 422),
    ("task-detail", "GET"): Row(V, 200),
    ("task-cancel", "POST"): Row(D, 302),
    ("task-answer", "POST"): Row(D, 422),
    ("task-reply", "POST"): Row(D, 422),
    ("functions-list", "GET"): Row(V, 200),
    ("function-new", "GET"): Row(D, 200),
    ("function-new", "POST"): Row(D, 422),
    ("function-detail", "GET"): Row(V, 200),
    ("function-edit", "GET"): Row(D, 200),
    ("function-edit", "POST"): Row(D, 422),
    ("function-versions", "GET"): Row(V, 200),
    ("function-diff", "GET"): Row(V, 200),
    ("function-users", "GET"): Row(V, 200),
    ("function-activate", "GET"): Row(D, 200),
    ("function-activate", "POST"): Row(D, 302),
    ("function-examples", "GET"): Row(V, 200),
    ("function-examples", "POST"): Row(R, 422),
    ("function-needs-examples", "POST"): Row(D, 302),
    ("function-archive", "GET"): Row(D, 200),
    ("function-archive", "POST"): Row(D, 409),
    ("function-unarchive", "POST"): Row(D, 302),
    ("function-delete", "GET"): Row(A, 200),
    ("function-delete", "POST"): Row(A, 422),
    ("function-run", "POST"): Row(R, 422, {"version": "version_id"}),
    ("function-imports-first", "POST"): Row(D, 422),
    ("function-forget-answers", "POST"): Row(D, 302),
    ("function-put-away", "POST"): Row(D, 404),
    ("function-keep-answers", "POST"): Row(D, 422),
    ("function-move", "POST"): Row(D, 302),
    ("function-owner", "POST"): Row(D, 422),
    ("folders-list", "GET"): Row(V, 200),
    ("folders-list", "POST"): Row(D, 422),
    ("folder-detail", "GET"): Row(V, 200),
    ("folder-rename", "POST"): Row(D, 422),
    ("folder-remove", "POST"): Row(D, 302),
    ("folder-keep-run", "POST"): Row(A, 302),
    ("folder-keep-edit", "POST"): Row(A, 302),
    ("packs-list", "GET"): Row(V, 200),
    ("pack-install", "GET"): Row(D, 200),
    ("pack-install", "POST"): Row(D, 422),
    ("packs-export", "GET"): Row(V, 200),
    ("pack-detail", "GET"): Row(V, 200),
    ("pack-remove", "POST"): Row(D, 302),
    ("pack-restore", "POST"): Row(D, 409),
    ("pack-export", "GET"): Row(V, 200),
    ("graph", "GET"): Row(V, 200),
    ("graph-data", "GET"): Row(V, 200),
    ("graph-node", "GET"): Row(V, 200),
    ("graph-svg", "GET"): Row(V, 200),
    ("graph-mermaid", "GET"): Row(V, 200),
    ("runs-list", "GET"): Row(V, 200),
    ("run-detail", "GET"): Row(V, 200),
    ("run-cancel", "POST"): Row(R, 302),
    ("run-restart", "GET"): Row(R, 200),
    ("run-restart", "POST"): Row(R, 422, {"version": "version_id"}),
    ("run-chain-data", "GET"): Row(V, 200),
    ("run-chain-node", "GET"): Row(V, 200),
    ("run-chain-svg", "GET"): Row(V, 200),
    ("runs-bulk", "GET"): Row(V, 200),
    ("runs-bulk-new", "GET"): Row(R, 422),
    ("runs-bulk-new", "POST"): Row(R, 422),
    ("runs-bulk-detail", "GET"): Row(V, 200),
    ("run-graph", "GET"): Row(V, 200),
    ("run-graph-data", "GET"): Row(V, 200),
    ("run-graph-node", "GET"): Row(V, 200),
    ("run-graph-svg", "GET"): Row(V, 200),
    ("run-log-download", "GET"): Row(V, 200),
    ("events-list", "GET"): Row(V, 200),
    ("events-list", "POST"): Row(R, 422),
    ("event-detail", "GET"): Row(V, 200),
    ("event-replay", "POST"): Row(R, 302),
    ("rules-list", "GET"): Row(V, 200),
    ("rule-new", "GET"): Row(D, 200),
    ("rule-new", "POST"): Row(D, 422),
    ("rule-try", "POST"): Row(D, 422),
    ("rule-detail", "GET"): Row(V, 200),
    ("rule-edit", "GET"): Row(D, 200),
    ("rule-edit", "POST"): Row(D, 422),
    ("rule-switch", "POST"): Row(D, 302),
    ("rule-fire", "POST"): Row(R, 302),
    ("rule-delete", "POST"): Row(D, 302),
    ("schedules-list", "GET"): Row(V, 200),
    ("schedules-list", "POST"): Row(D, 422),
    ("schedule-detail", "GET"): Row(V, 200),
    ("schedule-detail", "POST"): Row(D, 422),
    ("schedule-delete", "POST"): Row(D, 302),
    ("webhooks-list", "GET"): Row(V, 200),
    ("webhooks-list", "POST"): Row(D, 422),
    ("webhook-detail", "GET"): Row(V, 200),
    ("webhook-detail", "POST"): Row(D, 422),
    ("webhook-test", "POST"): Row(R, 422),
    ("webhook-rotate", "POST"): Row(D, 422),
    ("webhook-switch", "POST"): Row(D, 302),
    ("webhook-delete", "POST"): Row(D, 302),
    ("artifact-raw", "GET"): Row(V, 200),
    ("artifact-download", "GET"): Row(V, 200),
    ("store-list", "GET"): Row(V, 200),
    ("store-collection", "GET"): Row(V, 200),
    ("store-document", "GET"): Row(V, 200),
    ("store-document-new", "GET"): Row(D, 200),
    ("store-document-new", "POST"): Row(D, 422),
    ("store-document-edit", "GET"): Row(D, 200),
    ("store-document-edit", "POST"): Row(D, 422),
    ("store-document-delete", "POST"): Row(D, 302),
    ("approvals-list", "GET"): Row(V, 200),
    ("approval-detail", "GET"): Row(V, 200),
    ("approval-vote", "POST"): Row(VO, 422),
    ("approval-withdraw", "POST"): Row(V, 403),
    ("packages-list", "GET"): Row(V, 200),
    ("packages-list", "POST"): Row(P, 422),
    ("package-detail", "GET"): Row(V, 200),
    ("package-rebuild", "POST"): Row(A, 409),
    ("package-release", "POST"): Row(A, 409),
    ("secrets-list", "GET"): Row(V, 200),
    ("secret-new", "GET"): Row(A, 200),
    ("secret-new", "POST"): Row(A, 422),
    ("secret-delete", "POST"): Row(A, 302),
    ("models-list", "GET"): Row(V, 200),
    ("model-new", "GET"): Row(A, 200),
    ("model-new", "POST"): Row(A, 422),
    ("model-detail", "GET"): Row(V, 200),
    ("model-test", "POST"): Row(A, 302),
    ("model-key", "POST"): Row(A, 422),
    ("model-default", "POST"): Row(A, 302),
    ("model-delete", "POST"): Row(A, 302),
    ("members-list", "GET"): Row(V, 200),
    ("members-list", "POST"): Row(A, 422),
    ("member-remove", "POST"): Row(A, 302),
    ("groups-list", "GET"): Row(V, 200),
    ("groups-list", "POST"): Row(A, 422),
    ("group-fill", "POST"): Row(A, 302),
    ("group-remove", "POST"): Row(A, 302),
    ("limits", "GET"): Row(V, 200),
    ("limits", "POST"): Row(A, 422, {"limit_memory_bytes": "version_id"}),
    ("tokens-list", "GET"): Row(V, 200),
    ("tokens-list", "POST"): Row(V, 422),
    ("token-revoke", "POST"): Row(V, 404),
    ("agent-connect", "GET"): Row(V, 200),
    ("audit-list", "GET"): Row(V, 200),
    ("health", "GET"): Row(V, 200),
}
# Where more than the role decides: the developer made acme's things.
OWN: dict[tuple[str, str], dict[str, int]] = {
    ("approval-withdraw", "POST"): {"developer": 302, "admin": 302, "owner": 302},
    ("token-revoke", "POST"): {"developer": 302},
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def workspace_routes() -> dict[str, URLPattern]:
    """Every named address under /w/, of this app and of any other."""
    found: dict[str, URLPattern] = {}

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, route)
            elif route.startswith("w/"):
                assert pattern.name, f"{route} has no name"
                found[pattern.name] = pattern

    walk(get_resolver().url_patterns, "")
    return found


ROUTES_WITH_IDS = sorted(route for route in TABLE if len(workspace_routes()[route[0]].pattern.converters) > 0)


def address(name: str, ids: dict[str, Any], slug: str = "acme") -> str:
    wanted = workspace_routes()[name].pattern.converters
    return reverse(name, kwargs={"slug": slug} | {key: ids[key] for key in wanted})


def answer(client: Client, method: str, url: str, row: Row, ids: dict[str, Any]) -> Any:
    """One request, and nothing of it stays."""
    data = {key: str(ids[value]) for key, value in (row.data or {}).items()}
    with transaction.atomic():
        response = client.generic(method, url) if method not in ("GET", "POST") else getattr(client, method.lower())(url, data)
        transaction.set_rollback(True)
    return response


def same_words(response: Any) -> str:
    """The page without its nonce and its token against forgery, which are others each time."""
    return re.sub(r'nonce="[^"]+"|csrf[^<>]*', "", response.content.decode())


def test_every_route_is_in_the_table_with_all_its_methods() -> None:
    declared = {
        (name, method) for name, route in workspace_routes().items() for method in route.callback.methods if method != "HEAD"
    }
    assert declared == set(TABLE)


def test_every_view_declares_the_permission_of_the_table() -> None:
    for (name, method), row in TABLE.items():
        assert workspace_routes()[name].callback.needs[method] == row.needs, name


@pytest.fixture(params=sorted(TABLE), ids=lambda route: f"{route[0]} {route[1]}")
def route(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


def test_each_role_gets_what_the_table_says(route, cast: SimpleNamespace, things: SimpleNamespace, sign_in) -> None:
    (name, method), row, ids = route, TABLE[route], ids_of(things)
    url = address(name, ids)
    for role in Role:
        may = row.needs in PERMISSIONS[role]
        response = answer(sign_in(getattr(cast, role.value)), method, url, row, ids)
        expected = OWN.get(route, {}).get(role.value, row.status) if may else 403
        assert response.status_code == expected, f"{role}: {url}"
        if not may:
            assert "one must be" in response.content.decode(), role


def test_strangers_and_the_anonymous_learn_nothing(route, cast: SimpleNamespace, things: SimpleNamespace, sign_in) -> None:
    (name, method), row, ids = route, TABLE[route], ids_of(things)
    url, stranger = address(name, ids), sign_in(cast.stranger)
    anonymous = answer(Client(), method, url, row, ids)
    assert (anonymous.status_code, anonymous.headers["Location"].startswith("/accounts/login/")) == (302, True)
    told = answer(stranger, method, url, row, ids)
    nowhere = answer(stranger, method, address(name, ids, "no-such-workspace"), row, ids)
    assert (told.status_code, nowhere.status_code) == (404, 404)
    assert same_words(told) == same_words(nowhere)


@pytest.mark.parametrize("route", ROUTES_WITH_IDS, ids=" ".join)
def test_foreign_ids_answer_like_missing_ones(
    route, cast: SimpleNamespace, things: SimpleNamespace, foreign: SimpleNamespace, sign_in
) -> None:
    (name, method), row = route, TABLE[route]
    owner, foreign_ids = sign_in(cast.owner), ids_of(foreign)
    missing_ids = {key: str(value)[:-12] + "000000000000" for key, value in foreign_ids.items()}
    data = {
        "reason": "No.",
        "decision": "reject",
        "shown_digest": "a" * 64,
        "answer": "Yes.",
        "text": "Hm.",
        "api_key": "k",
        **(row.data or {}),
    }
    filled = Row(row.needs, row.status, None)
    told, missing = (
        answer(owner, method, address(name, ids), filled, ids) if method == "GET" else _post(owner, address(name, ids), data, ids)
        for ids in (foreign_ids, missing_ids)
    )
    assert (told.status_code, missing.status_code) == (404, 404)
    assert same_words(told) == same_words(missing)


def _post(client: Client, url: str, data: dict[str, str], ids: dict[str, Any]) -> Any:
    with transaction.atomic():
        response = client.post(url, {key: str(ids.get(value, value)) for key, value in data.items()})
        transaction.set_rollback(True)
    return response


def test_other_methods_are_refused(cast: SimpleNamespace, things: SimpleNamespace, sign_in) -> None:
    owner, ids = sign_in(cast.owner), ids_of(things)
    for name, pattern in workspace_routes().items():
        for method in set(METHODS) - set(pattern.callback.methods):
            response = answer(owner, method, address(name, ids), Row(V, 405), ids)
            assert response.status_code == 405, f"{method} {name}"
