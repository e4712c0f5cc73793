"""What the web process leaves open at the database."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.processes.installation import Installation

pytestmark = [pytest.mark.processes]

OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"


def test_requests_that_are_over_hold_no_connection(installation: Installation) -> None:
    """Under ASGI each request has a thread of its own: what that keeps open lasts until a garbage collection, and anybody
    who asks often enough would take the last connection from the workers."""

    def ask(_: int) -> int:
        return httpx.get(f"{installation.url}/api/v1/runs", headers={"Authorization": "Bearer sst_none"}, timeout=60).status_code

    before = installation.rows(OPEN)[0][0]
    with ThreadPoolExecutor(20) as askers:
        assert set(askers.map(ask, range(120))) == {401}
    allowed = before + 5  # of the other processes' threads
    installation.wait_until(lambda: installation.rows(OPEN)[0][0] <= allowed, 5, "the requests' connections are closed")
