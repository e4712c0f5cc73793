"""The operator's page of hostile programs."""

from typing import Any

import pytest
from django.test import Client

from apps.core.tenancy import every_workspace
from apps.runs.attack_rounds import AttackRound, AttackShot
from sandbox.hostile import PROGRAMS

URL = "/admin/attacks/"


@pytest.fixture
def chief(cast: Any, sign_in: Any) -> Client:
    cast.admin.user.is_staff = True
    cast.admin.user.save()
    return sign_in(cast.admin)


def make_shot(**fields: Any) -> None:
    with every_workspace(reason="setting up a test"):
        round_ = AttackRound.objects.create(state="completed", programs=1)
        AttackShot.objects.create(
            **{
                "round": round_, "program": "namespaces", "expected": "refused", "end": "ok", "message": "Done.", "held": True,
                "seconds": 0.1, "next_run_seconds": 0.4, "control": "reached", "control_text": "17 of 17 got through",
                "kernel": "gVisor", **fields,
            }
        )  # fmt: skip


@pytest.mark.parametrize(("method", "url"), [("get", URL), ("post", URL), ("post", f"{URL}stop/")])
def test_only_an_operator_finds_it(cast: Any, sign_in: Any, method: str, url: str) -> None:
    for member in (cast.owner, cast.viewer, cast.stranger):
        assert getattr(sign_in(member), method)(url).status_code == 404
    assert getattr(Client(), method)(url).headers["Location"].startswith("/accounts/login/")
    with every_workspace(reason="a test looks"):
        assert not AttackRound.objects.exists()


def test_before_the_first_round_every_program_is_shown_and_none_is_called_held(chief: Client) -> None:
    page = chief.get(URL).content.decode()
    assert "Nothing has been fired yet" in page
    assert page.count("Not fired yet") == len(PROGRAMS)
    assert "14 not fired yet" in page
    assert " held" not in page
    assert "hx-get" not in page.partition('id="live"')[2].partition(">")[0]


def test_the_button_starts_a_round_once_and_the_page_then_refreshes(chief: Client) -> None:
    assert chief.post(URL).status_code == 302
    page = chief.get(URL).content.decode()
    assert "Stop after this one" in page
    assert f"0 of {len(PROGRAMS)}" in page
    assert "hx-get" in page.partition('id="live"')[2].partition(">")[0]
    again = chief.post(URL)
    assert again.status_code == 409
    assert "being fired already" in again.content.decode()


def test_an_open_round_answers_htmx_with_its_part(chief: Client) -> None:
    chief.post(URL, {"only": "namespaces"})
    part = chief.get(URL, headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith("<div")
    assert "0 of 1" in part


def test_a_program_that_does_not_exist_is_said(chief: Client) -> None:
    answer = chief.post(URL, {"only": "<b>no-such</b>"})
    assert answer.status_code == 422
    assert "&lt;b&gt;no-such" in answer.content.decode()


def test_a_round_is_stopped(chief: Client) -> None:
    chief.post(URL)
    assert chief.post(f"{URL}stop/").status_code == 302
    page = chief.get(URL).content.decode()
    assert "Cancelled" in page
    assert f"Fire all {len(PROGRAMS)}" in page


def test_an_end_is_shown_beside_what_was_expected_and_the_control(chief: Client) -> None:
    make_shot()
    page = chief.get(URL).content.decode()
    assert "1 held, none got through" in page
    assert "Expected: every try is refused." in page
    assert "17 of 17 got through" in page


def test_what_got_through_is_called_so_and_its_words_are_text(chief: Client) -> None:
    make_shot(held=False, verdict="got through: unshare", message="<script>alert(1)</script>\u202e")
    page = chief.get(URL).content.decode()
    assert "1 did not hold" in page
    assert "got through: unshare" in page
    assert "<script>alert" not in page
    assert "⟨U+202E⟩" in page


def test_only_operators_see_the_way_to_it(cast: Any, chief: Client, sign_in: Any) -> None:
    assert URL in chief.get("/w/acme/").content.decode()
    assert URL not in sign_in(cast.owner).get("/w/acme/").content.decode()
