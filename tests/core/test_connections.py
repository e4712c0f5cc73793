"""Connections to the database are borrowed for a transaction, and a database that comes back is used at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection
from psycopg_pool.base import AttemptWithBackoff

from apps.core.tenancy import every_workspace
from apps.workspaces.models import Workspace

POOL = settings.DATABASES["default"]["OPTIONS"]["pool"]


def test_a_database_that_is_away_is_tried_again_and_again_without_growing_pauses() -> None:
    attempt = AttemptWithBackoff(timeout=POOL["reconnect_timeout"])
    pauses = []
    for tenth in range(20):
        attempt.update_delay(tenth / 10)
        pauses.append(attempt.delay)
    assert max(pauses) <= 0.15


@pytest.mark.django_db(transaction=True)
def test_more_threads_than_connections_look_at_the_database_while_none_ends() -> None:
    """Each thread stays, as one does that waits for a box: what it borrowed is back at the end of its transaction."""
    looked, may_end = threading.Semaphore(0), threading.Event()
    faults: list[Exception] = []

    def look() -> None:
        try:
            with every_workspace(reason="testing"):
                Workspace.objects.count()
        except Exception as error:  # noqa: BLE001  told in the test's own thread
            faults.append(error)
        looked.release()
        may_end.wait(30)

    threads = [threading.Thread(target=look) for _ in range(POOL["max_size"] + 5)]
    for thread in threads:
        thread.start()
    try:
        assert all(looked.acquire(timeout=30) for _ in threads)
    finally:
        may_end.set()
        for thread in threads:
            thread.join()
    assert not faults


@pytest.mark.django_db(transaction=True)
def test_connections_that_the_server_has_ended_are_not_given_out() -> None:
    def backend() -> int:
        with every_workspace(reason="testing"), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    with ThreadPoolExecutor(1) as other, connection.cursor() as cursor:  # this thread's own stays with it
        idle = other.submit(backend).result()
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [idle])
        assert cursor.fetchone() == (True,)
        assert other.submit(backend).result() != idle
