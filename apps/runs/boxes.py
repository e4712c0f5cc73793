"""This worker's warm boxes, one pool per process, and the sweep of what dead workers left."""

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core.tenancy import every_workspace
from apps.packages import configured
from apps.packages.models import PackageSet
from apps.runs.models import Run
from apps.runs.states import RunState
from sandbox import Pool, PoolLimits, SandboxError

log = logging.getLogger(__name__)
SWEEP_SECONDS = 30
_sweep_lock = threading.Lock()
_sweep_asked_at = {"seconds": 0.0}


@cache
def pool() -> Pool:
    """Warm boxes of the default size; others are started when asked for.

    Raises:
        sandbox.SandboxUnavailable: with what to do about it. Nothing weaker is ever used instead.
    """
    limits = PoolLimits(
        minimum=settings.BOXES_MIN,
        maximum=settings.BOXES_MAX,
        age_seconds=settings.BOXES_AGE_SECONDS,
        starts=settings.BOXES_STARTS,
        wait_seconds=settings.BOXES_WAIT_SECONDS,
        kept_most=settings.BOXES_KEPT_MAX,
        kept_jobs=settings.BOXES_KEPT_RUNS,
        kept_idle_seconds=settings.BOXES_KEPT_IDLE_SECONDS,
    )
    return Pool(configured.driver(), limits=limits, labels=process_labels())


def warm_up() -> None:
    """Have boxes waiting before the first run comes. Without a sandbox the runs wait, and their pages say why."""
    try:
        pool()
    except SandboxError as error:
        log.error("sandbox.unavailable reason=%s", error)


def box_report() -> dict[str, Any]:
    """What this process reports of its boxes: how many wait for a job, and whether they are frozen meanwhile."""
    if not pool.cache_info().currsize:
        return {}
    told = pool().report()
    return {"warm_boxes": told.warm, "freezes_boxes": told.can_freeze}


def close_pool() -> None:
    """Remove the boxes that wait. Those at work belong to their runs."""
    if pool.cache_info().currsize:
        pool().close()
        pool.cache_clear()


def sweep_is_due() -> int:
    """For the scheduler: 1 every SWEEP_SECONDS, so that some worker looks after its host's boxes."""
    now = time.monotonic()
    if now - _sweep_asked_at["seconds"] < SWEEP_SECONDS:
        return 0
    _sweep_asked_at["seconds"] = now
    return 1


def sweep_boxes() -> bool:
    """Remove boxes of runs whose worker is gone. One thread at a time; never more than one round."""
    if _sweep_lock.acquire(blocking=False):
        try:
            configured.driver().sweep(_is_live)
        finally:
            _sweep_lock.release()
    return False


def _is_live(labels: Mapping[str, str]) -> bool:
    """A box lives as long as the attempt or build that it was labelled for holds its lease, or its pool's process lives."""
    with every_workspace(reason="asking whether a box's work still holds its lease"):
        if "run" in labels:
            return Run.objects.filter(pk=labels["run"], state=RunState.RUNNING, token=labels["token"]).exists()
        if "package_set" in labels:
            return PackageSet.objects.filter(pk=labels["package_set"], token=labels["token"], lease_until__isnull=False).exists()
    return labels.get("process") == _process_name() or _lives_here(labels.get("process", ""))


def process_labels() -> dict[str, str]:
    """Labels of boxes that live as long as this process does."""
    return {"process": _process_name()}


def _process_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _lives_here(process: str) -> bool:
    """Boxes of another host's processes are not on this host's engine, so an unknown host is a dead one."""
    host, _, pid = process.rpartition(":")
    return host == socket.gethostname() and pid.isdigit() and Path(f"/proc/{pid}").exists()
