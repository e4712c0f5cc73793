"""How a process says that it lives: a row that it renews by the database's clock, and removes when it ends in order."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.monitoring.models import ProcessKind, ProcessReport

log = logging.getLogger(__name__)
REPORT_SECONDS = 5
SILENT = timedelta(seconds=20)  # four reports were missed
FORGOTTEN = timedelta(hours=1)  # a process that was killed is shown as silent for so long


def process_name() -> str:
    """Host and process id: where an operator finds it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def report(kind: ProcessKind, *, warm_boxes: int = 0, freezes_boxes: bool = True) -> None:
    """Say that this process lives. The database's clock decides when that was."""
    row = ProcessReport(name=process_name(), kind=kind, warm_boxes=warm_boxes, freezes_boxes=freezes_boxes)
    row.seen_at = Now()
    told = ["kind", "seen_at", "warm_boxes", "freezes_boxes"]
    ProcessReport.objects.bulk_create([row], update_conflicts=True, unique_fields=["name"], update_fields=told)


def withdraw() -> None:
    """This process ends in order and is not to be missed."""
    ProcessReport.objects.filter(name=process_name()).delete()


def alive(kind: ProcessKind) -> "QuerySet[ProcessReport]":
    """Those that reported lately."""
    return ProcessReport.objects.filter(kind=kind, seen_at__gte=Now() - SILENT)


def forget_the_dead() -> int:
    """Remove the rows of processes that were killed long ago; returns how many."""
    removed: int = ProcessReport.objects.filter(seen_at__lt=Now() - FORGOTTEN).delete()[0]
    return removed


class Reporter:
    """Reports this process in the background until `end`. A database that is away is tried again at the next report.

    `boxes` gives what `report` says of boxes; `besides` is called after each report.
    """

    def __init__(self, kind: ProcessKind, boxes: Callable[[], dict[str, Any]], besides: Callable[[], None]) -> None:
        self._kind, self._boxes, self._besides = kind, boxes, besides
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="process-report", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Stop reporting and take the report back."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while True:
                self._attempt(lambda: report(self._kind, **self._boxes()))
                self._attempt(self._besides)
                if self._ended.wait(REPORT_SECONDS):
                    break
            self._attempt(withdraw)
        finally:
            connection.close()

    def _attempt(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except DatabaseError as error:
            log.warning("process.not_reported error=%s", error)
        finally:
            close_old_connections()
