"""A leased row is done once, whoever dies. Packages sets serve as rows: any Leased model would."""

import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.db.models import F
from django.db.models.functions import Now

from apps.core import leases
from apps.core.leases import LeaseLost
from apps.core.tenancy import every_workspace, scope
from apps.packages.models import PackageSet


def make_row(cast, number: int = 0) -> PackageSet:
    with scope(cast.acme.pk):
        return PackageSet.objects.create(state="queued", requirements=[], requirements_digest=f"{number:064}", reason="testing")


def claim() -> PackageSet | None:
    return leases.claim(lambda: PackageSet.objects.order_by("id"), from_state="queued", to_state="resolving")


def expire(row: PackageSet) -> None:
    with scope(row.workspace_id):
        PackageSet.objects.filter(pk=row.pk).update(lease_until=Now() - timedelta(seconds=1))


def test_a_claim_raises_attempt_and_token_and_opens_a_lease(cast) -> None:
    made = make_row(cast)
    row = claim()
    assert (row.pk, row.state, row.attempt, row.token) == (made.pk, "resolving", 1, 1)
    assert row.lease_until is not None
    assert claim() is None


def test_what_is_not_due_yet_is_not_claimed(cast) -> None:
    row = make_row(cast)
    with scope(cast.acme.pk):
        PackageSet.objects.filter(pk=row.pk).update(not_before=Now() + timedelta(hours=1))
    assert claim() is None


def test_a_holder_that_is_stopped_in_the_middle_keeps_its_locks_no_longer_than_a_lease(transactional_cast, settings) -> None:
    settings.LEASE_SECONDS = 1
    make_row(transactional_cast)
    row = claim()
    holds, is_over = threading.Event(), threading.Event()

    def stop_in_the_middle() -> None:
        try:
            with pytest.raises(DatabaseError), scope(row.workspace_id):
                leases.assert_held(row)
                holds.set()
                is_over.wait(20)
                leases.assert_held(row)
        finally:
            connection.close()

    thread = threading.Thread(target=stop_in_the_middle)
    thread.start()
    assert holds.wait(20)
    with scope(row.workspace_id):
        leases.assert_held(row)  # waits for the lock, which the other one would keep
    is_over.set()
    thread.join()


def test_racing_workers_share_the_rows_and_take_none_twice(transactional_cast) -> None:
    rows = {make_row(transactional_cast, number).pk for number in range(12)}
    taken: list[object] = []

    def work() -> None:
        try:
            while row := claim():
                taken.append(row.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(rows)


def test_a_worker_that_was_killed_in_mid_claim_leaves_the_row_to_the_next(transactional_cast) -> None:
    """The row lock of a claim that never committed goes with its connection."""
    make_row(transactional_cast)
    program = (
        "import os, sys, signal, django; django.setup()\n"
        "from django.db import connection\n"
        f"connection.settings_dict['NAME'] = {connection.settings_dict['NAME']!r}\n"
        "from apps.core.tenancy import every_workspace\n"
        "from apps.packages.models import PackageSet\n"
        "with every_workspace(reason='testing'):\n"
        "    assert PackageSet.objects.select_for_update(skip_locked=True).first()\n"
        "    print('locked', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline() == "locked\n"
        assert claim() is None
        worker.kill()
    deadline = threading.Event()
    for _ in range(200):
        if row := claim():
            break
        deadline.wait(0.02)  # the server notices the closed connection in its own time
    assert row.attempt == 1


def test_a_zombie_can_neither_renew_nor_leave_nor_write(cast) -> None:
    make_row(cast)
    zombie = claim()
    expire(zombie)
    with every_workspace(reason="testing"):
        assert [row.pk for row in leases.expired(PackageSet.objects.all())] == [zombie.pk]
        PackageSet.objects.filter(pk=zombie.pk).update(state="queued", token=F("token") + 1, lease_until=None)
    successor = claim()
    assert successor.token == zombie.token + 2
    with pytest.raises(LeaseLost):
        leases.renew(zombie)
    with scope(cast.acme.pk):
        for attempt in (leases.assert_held, lambda row: leases.leave(row, to_state="failed")):
            with pytest.raises(LeaseLost):
                attempt(zombie)
        leases.leave(successor, to_state="approved")
        assert PackageSet.objects.get(pk=zombie.pk).state == "approved"


def test_a_renewal_extends_the_lease_and_carries_the_wish_to_cancel(cast) -> None:
    make_row(cast)
    row = claim()
    expire(row)
    assert not leases.renew(row).cancel_requested
    with scope(cast.acme.pk):
        assert not leases.expired(PackageSet.objects.all()).exists()
        PackageSet.objects.filter(pk=row.pk).update(cancel_requested_at=Now())
    assert leases.renew(row).cancel_requested


def test_a_heartbeat_tells_when_the_lease_was_lost(transactional_cast, settings) -> None:
    settings.LEASE_SECONDS = 0.3
    make_row(transactional_cast)
    row = claim()
    with leases.heartbeat(row) as pulse:
        with scope(row.workspace_id):
            PackageSet.objects.filter(pk=row.pk).update(token=F("token") + 1)
        assert pulse.lost.wait(5)
        assert pulse.stop_requested()
