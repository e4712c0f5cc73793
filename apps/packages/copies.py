"""Which environments lie on which host, how large they are and when they were used last: for pages and for collecting.

The disk is the truth; these rows are what a process on another host can see of it.
"""

import os
import socket
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models.functions import Now

from apps.packages.models import EnvironmentCopy

NOTE_EVERY = timedelta(hours=1)  # collecting counts in days: a row written at every run would tell nothing more
_noted: dict[str, float] = {}


def this_host() -> str:
    """The name under which this worker's disk is known."""
    return str(settings.HOST_NAME or socket.gethostname())[:200]


def note_use(digest: str) -> None:
    """Somebody uses it now. Written at most once an hour by each process."""
    if time.monotonic() - _noted.get(digest, float("-inf")) < NOTE_EVERY.total_seconds():
        return
    rows = EnvironmentCopy.objects.filter(host=this_host(), digest=digest)
    if rows.update(last_used_at=Now()) == 0:
        note_built(digest)  # built before such rows were kept
    _noted[digest] = time.monotonic()


def note_built(digest: str) -> None:
    """It lies here now."""
    files, size = _measure(Path(settings.HOME) / "environments" / digest)
    EnvironmentCopy.objects.update_or_create(
        host=this_host(), digest=digest, defaults={"files": files, "bytes": size, "last_used_at": Now()}
    )


def forget(digest: str) -> None:
    """It was removed from this host."""
    EnvironmentCopy.objects.filter(host=this_host(), digest=digest).delete()
    _noted.pop(digest, None)


def _measure(folder: Path) -> tuple[int, int]:
    sizes = [os.lstat(f"{parent}/{name}").st_size for parent, _, names in os.walk(folder) for name in names]
    return len(sizes), sum(sizes)
