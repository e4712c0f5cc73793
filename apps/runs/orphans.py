"""Removes stored files that no row names: of transactions that were rolled back, and of attempts that were lost."""

import logging
import threading
import time
from datetime import timedelta
from uuid import UUID

from django.conf import settings

from apps.core import blobs
from apps.core.tenancy import every_workspace, scope
from apps.runs.models import Artifact
from apps.workspaces.models import Workspace

log = logging.getLogger(__name__)
SWEEP_SECONDS = 3600
_busy = threading.Lock()
_asked_at = {"seconds": float("-inf")}


def is_due() -> int:
    """For the scheduler: 1 every SWEEP_SECONDS."""
    now = time.monotonic()
    if now - _asked_at["seconds"] < SWEEP_SECONDS:
        return 0
    _asked_at["seconds"] = now
    return 1


def sweep_orphans() -> bool:
    """One round through every workspace. Never asks for another."""
    if _busy.acquire(blocking=False):
        try:
            with every_workspace(reason="each workspace's folder is looked through, then in its own scope"):
                workspaces = list(Workspace.objects.values_list("pk", flat=True))
            for workspace_id in workspaces:
                sweep_workspace(workspace_id)
        finally:
            _busy.release()
    return False


def sweep_workspace(workspace_id: UUID) -> int:
    """Remove what is older than ORPHANS_KEEP_HOURS and named by no row; returns how many files."""
    with scope(workspace_id):
        named = set(Artifact.objects.values_list("sha256", flat=True).iterator())

    def is_named(sha256: str) -> bool:
        """By what was known at first, or by a row that has come since."""
        if sha256 in named:
            return True
        with scope(workspace_id):
            return Artifact.objects.filter(sha256=sha256).exists()

    removed = blobs.sweep(workspace_id, age=timedelta(hours=settings.ORPHANS_KEEP_HOURS), is_named=is_named)
    if removed:
        log.info("runs.orphans_removed workspace=%s files=%s", workspace_id, removed)
    return removed
