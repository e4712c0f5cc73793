"""Tokens over the API: made with scopes, listed without secrets, taken back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api.conftest import Call, Caller


def test_a_token_is_made_with_scopes_functions_and_an_end_after_ninety_days(cast, by_session: Call) -> None:
    person = by_session(cast.developer)
    made = person.post("/tokens", {"name": "runner", "scopes": ["run"], "functions": ["shout"]})
    assert made.status_code == 201
    (row,) = person.get("/tokens").json()["items"]
    assert (row["name"], row["scopes"], row["functions"], row["last_used_at"]) == ("runner", ["run"], ["shout"], None)
    assert made.json()["token"].startswith(row["prefix"])
    assert made.json()["token"] not in person.get("/tokens").content.decode()
    ends = timezone.datetime.fromisoformat(row["expires_at"])
    assert timedelta(days=89) < ends - timezone.now() < timedelta(days=91)


def test_a_token_without_an_end_must_be_asked_for(cast, by_session: Call) -> None:
    person = by_session(cast.developer)
    person.post("/tokens", {"name": "for ever", "days": None})
    assert person.get("/tokens").json()["items"][0]["expires_at"] is None


def test_a_revoked_token_is_refused_at_once_and_nobody_revokes_another_s(cast, by_session: Call) -> None:
    person = by_session(cast.developer)
    token = person.post("/tokens", {"name": "runner"}).json()["token"]
    program = Caller(headers={"Authorization": f"Bearer {token}"})
    row = person.get("/tokens").json()["items"][0]
    assert program.get("/runs").status_code == 200
    assert by_session(cast.owner).send("DELETE", f"/tokens/{row['id']}").status_code == 404
    assert program.send("DELETE", f"/tokens/{row['id']}").status_code == 403
    assert person.send("DELETE", f"/tokens/{row['id']}").status_code == 204
    assert program.get("/runs").status_code == 401


@pytest.mark.parametrize("body", [{"scopes": ["vote"]}, {"scopes": []}, {"functions": ["shout"]}, {"days": 0}, {"days": 1000}])
def test_what_makes_no_sense_is_refused(cast, by_session: Call, body) -> None:
    assert by_session(cast.owner).post("/tokens", {"name": "x", **body}).status_code == 422
