"""What the scheduler does for the operator while it looks around: reports itself and tidies reports of the dead."""

import time

from apps.monitoring import reports
from apps.monitoring.models import ProcessKind

_reported_at = {"seconds": 0.0}


def look_after_processes() -> int:
    """Every few seconds; returns how many rows of dead processes were removed."""
    now = time.monotonic()
    if now - _reported_at["seconds"] < reports.REPORT_SECONDS:
        return 0
    _reported_at["seconds"] = now
    reports.report(ProcessKind.SCHEDULER)
    return reports.forget_the_dead()
