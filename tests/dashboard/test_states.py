"""Every state that a thing can be in has a word, an icon and a tone."""

from enum import Enum

import pytest

from apps.agents.models import TaskState
from apps.approvals.states import Decision, RequestState
from apps.dashboard.icons import UnknownIcon, icon_svg
from apps.dashboard.states import LOOKS, look_of
from apps.llm.models import ConnectionState
from apps.packages.states import PackageState
from apps.packs.states import ReleaseState
from apps.runs.attack_rounds import RoundState
from apps.runs.examples import Verdict
from apps.runs.health import Health
from apps.runs.states import RunState
from apps.triggers.states import DeliveryState

TONES = {"idle", "active", "waiting", "good", "bad"}


@pytest.mark.parametrize(
    "states",
    [
        RunState,
        TaskState,
        RequestState,
        Decision,
        PackageState,
        ConnectionState,
        RoundState,
        Health,
        DeliveryState,
        Verdict,
        ReleaseState,
    ],
)
def test_every_state_has_a_look(states: type[Enum]) -> None:
    for state in states:
        assert look_of(str(state.value)).word


@pytest.mark.parametrize("state", LOOKS)
def test_a_look_is_complete(state: str) -> None:
    look = look_of(state)
    assert look.tone in TONES
    assert icon_svg(look.icon).startswith("<svg")


def test_a_state_without_a_look_is_an_error_and_not_a_blank_badge() -> None:
    with pytest.raises(KeyError):
        look_of("no such state")


@pytest.mark.parametrize("name", ["no-such-icon", "../../solid/check", "check.svg"])
def test_an_icon_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(UnknownIcon):
        icon_svg(name)


def test_an_icon_with_a_meaning_says_it_and_one_without_is_hidden() -> None:
    assert 'aria-label="done &quot;x&quot;"' in icon_svg("check", label='done "x"')
    assert 'aria-hidden="true"' in icon_svg("check")
