"""The Celery application. Its one task says "there is work of this kind"; the rows hold everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from config.env import load_environment_file

if TYPE_CHECKING:
    from apps.monitoring.reports import Reporter

load_environment_file()
app = Celery("selfsmith")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["apps.core"], related_name="dispatch")
_reporters: list[Reporter] = []


@worker_ready.connect
def start_boxes(**_: Any) -> None:
    """A worker with a wrong root key must not write; one that serves has boxes waiting."""
    from apps.monitoring.models import ProcessKind
    from apps.monitoring.reports import Reporter
    from apps.monitoring.rounds import watch_scheduler
    from apps.runs.boxes import box_report, warm_up
    from apps.vault.keys import verify_root_key

    verify_root_key()
    warm_up()
    _reporters.append(Reporter(ProcessKind.WORKER, box_report, watch_scheduler))
    _reporters[-1].start()


@worker_shutting_down.connect
def hand_back(**_: Any) -> None:
    """Told to end: running work is given back or finished; Celery waits for its threads."""
    from apps.core import stopping

    stopping.begin()


@worker_shutdown.connect
def close_boxes(**_: Any) -> None:
    from apps.runs.boxes import close_pool

    while _reporters:
        _reporters.pop().end()
    close_pool()
