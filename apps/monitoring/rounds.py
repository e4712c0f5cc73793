"""What the scheduler does for the operator while it looks around: it reports itself, tidies, and judges the figures.

Workers look too, but only whether a scheduler lives: one that hangs would not tell.
"""

import logging
import threading
import time

from django.db import DatabaseError, connection

from apps.monitoring import alerts, reports
from apps.monitoring.models import ProcessKind
from apps.monitoring.rules import scheduler_silent

log = logging.getLogger(__name__)
JUDGING = "alerts"  # the thread's name


class Pace:
    """Says when it is time again. The first time is one pause after the start: others must have had time to report."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next = seconds, time.monotonic() + seconds

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


_reporting, _judging, _watching = Pace(reports.REPORT_SECONDS), Pace(alerts.LOOK_SECONDS), Pace(alerts.LOOK_SECONDS)


def look_after_processes() -> int:
    """In every round of the scheduler; returns how many rows of dead processes were removed."""
    removed = 0
    if _reporting.is_due():
        reports.report(ProcessKind.SCHEDULER)
        removed = reports.forget_the_dead()
    if _judging.is_due() and not any(thread.name == JUDGING for thread in threading.enumerate()):
        threading.Thread(target=_judge, name=JUDGING, daemon=True).start()
    return removed


def _judge() -> None:
    """Beside the rounds: a webhook that takes its time must not delay the sweep of what dead workers left."""
    try:
        alerts.look()
    except DatabaseError as error:
        log.warning("alerts.database_away error=%s", error)
    finally:
        connection.close()


def watch_scheduler() -> None:
    """At every report of a worker."""
    if _watching.is_due():
        alerts.look([scheduler_silent.__name__])
