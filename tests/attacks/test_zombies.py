"""A worker whose lease has run out, for whatever reason, must find out and stop."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import InterfaceError, OperationalError

from apps.core import leases


def beating(monkeypatch: pytest.MonkeyPatch, answer: Callable[[int], None]) -> leases.Heartbeat:
    """A heart that beats three times a lease; `answer` is called with the number of the beat in the database's stead."""
    beats = iter(range(1_000_000))

    def renew(_: object) -> leases.Renewal:
        answer(next(beats))
        return leases.Renewal(cancel_requested=False)

    monkeypatch.setattr(leases, "renew", renew)
    pulse = leases.Heartbeat(SimpleNamespace(pk=uuid4()))  # type: ignore[arg-type]  # its row is only passed on
    threading.Thread(target=pulse.beat, daemon=True).start()
    return pulse


@pytest.mark.parametrize("failure", [OperationalError, InterfaceError])
def test_work_stops_when_the_database_stays_away_for_longer_than_the_lease(monkeypatch, settings, failure) -> None:
    """The beat used to end with its thread, unseen, and the box worked on beside its successor's."""
    settings.LEASE_SECONDS = 0.03

    def away(_: int) -> None:
        raise failure("server closed the connection unexpectedly")

    pulse = beating(monkeypatch, away)
    assert pulse.lost.wait(10)
    assert pulse.stop_requested()


def test_a_database_that_comes_back_in_time_costs_nothing(monkeypatch, settings) -> None:
    settings.LEASE_SECONDS = 3
    went_on = threading.Event()

    def away_once(beat: int) -> None:
        if beat == 1:
            raise OperationalError("the database system is starting up")
        if beat == 2:
            went_on.set()

    pulse = beating(monkeypatch, away_once)
    assert went_on.wait(10)
    assert not pulse.lost.is_set()
    pulse.end()
