"""What the web process takes of the database's connections."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.conf import settings

from tests.processes.installation import Installation

pytestmark = [pytest.mark.processes]

OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
MOST = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]


def test_requests_give_back_what_they_borrow_and_never_take_more_than_their_process_may(installation: Installation) -> None:
    """Under ASGI each request has a thread of its own: one that kept its connection would leave less for the next, until
    none was left, and without an end to their number anybody who asks often enough would take the last from the workers."""

    def ask(_: int) -> int:
        return httpx.get(f"{installation.url}/api/v1/runs", headers={"Authorization": "Bearer sst_none"}, timeout=60).status_code

    before = installation.rows(OPEN)[0][0]
    with ThreadPoolExecutor(2 * MOST) as askers:
        assert set(askers.map(ask, range(6 * MOST))) == {401}
    assert installation.rows(OPEN)[0][0] <= before + MOST + 5  # some of the other processes' threads
