"""The scheduler process: sweeps what vanished workers left, and wakes workers for what is due. Several may run."""

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError, close_old_connections

from apps.core.dispatch import look_around

log = logging.getLogger(__name__)
ROUND_SECONDS = 1.0


class Command(BaseCommand):
    help = "Look around every second until told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.wait(ROUND_SECONDS):
            self._round()

    def _round(self) -> None:
        """A database that is away for a while ends a round, not the scheduler."""
        try:
            look_around()
        except OperationalError as error:
            log.warning("scheduler.database_away error=%s", error)
        finally:
            close_old_connections()
