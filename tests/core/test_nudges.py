"""Nudges hurry what the database says, and are never needed for it to be true."""

import threading
from uuid import uuid4

import redis

from apps.core import leases, nudges
from apps.core.nudges import nudge, waiting_for
from apps.core.tenancy import scope
from apps.packages.models import PackageSet
from tests.core.test_leases import claim, make_row


def test_who_waits_for_a_row_is_woken_after_the_commit_and_nobody_else(transactional_cast) -> None:
    mine, other = uuid4(), uuid4()
    with waiting_for(mine) as hint, waiting_for(mine) as too, waiting_for(other) as not_meant:
        for _ in range(200):  # until this process listens
            with scope(transactional_cast.acme.pk):
                nudge(mine)
            if hint.wait(0.1):
                break
        assert hint.is_set()
        assert too.wait(5)
        assert not not_meant.is_set()
    assert str(mine) not in nudges._waiting


def test_without_redis_nothing_fails_and_the_failure_is_told(transactional_cast, monkeypatch, caplog) -> None:
    class Away:
        def publish(self, *_: object) -> None:
            raise redis.ConnectionError("nobody there")

    monkeypatch.setattr(nudges, "_client", Away)
    with scope(transactional_cast.acme.pk):
        nudge(uuid4())
    assert "nudge.not_sent" in caplog.text


def test_a_heartbeat_that_is_nudged_hears_of_a_cancellation_at_once(transactional_cast, settings, monkeypatch) -> None:
    """By its own clock the next beat comes after ten minutes."""
    monkeypatch.setattr(leases, "LONGEST_REST_SECONDS", 600)
    settings.LEASE_SECONDS = 3600
    make_row(transactional_cast)
    row = claim()
    hint = threading.Event()
    pulse = leases.Heartbeat(row, hint)
    beating = threading.Thread(target=pulse.beat)
    beating.start()
    with scope(row.workspace_id):
        PackageSet.objects.filter(pk=row.pk).update(cancel_requested_at=row.lease_until)
    hint.set()
    assert pulse.cancelled.wait(10)
    pulse.end()
    beating.join()
