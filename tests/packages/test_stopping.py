"""A worker that is told to end gives its build back."""

import threading

import pytest

from apps.core import stopping
from apps.packages import work
from apps.packages.build import BuildInterrupted
from apps.packages.states import PackageState
from tests.packages.conftest import House


def test_a_build_that_its_worker_s_end_interrupts_is_no_try(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_told", threading.Event())

    def interrupted(*_: object, **__: object) -> str:
        stopping.begin()
        raise BuildInterrupted("Building the packages was interrupted: killed.")

    house.index.add_wheel("leaf")
    asked = house.ask("leaf")
    assert work.resolve_next()
    house.decide(asked, "approve")
    with monkeypatch.context() as patch:
        patch.setattr(work, "build_environment", interrupted)
        assert work.build_next()
    waiting = house.see(asked)
    assert (waiting.state, waiting.attempt, waiting.losses, waiting.failure) == (PackageState.APPROVED, 0, 0, "")
    monkeypatch.setattr(stopping, "_told", threading.Event())
    assert work.build_next()
    assert house.see(asked).state == PackageState.READY
