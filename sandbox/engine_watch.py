"""Knows whether the engine answers, and lets frozen boxes go on while it does not.

An engine that is started again asks every container that it finds how it is. A frozen one never answers, so that the
engine would not come back until somebody thawed what a worker, alive or dead, has left frozen.
"""

import logging
import threading
from collections.abc import Callable

from sandbox.driver import Driver, Tie
from sandbox.errors import SandboxUnavailable

logger = logging.getLogger(__name__)
_AGAIN_SECONDS = 0.5  # between two questions to an engine that does not answer


class EngineWatch:
    """One thread. `on_away` is called as soon as the engine has gone, and again and again until it answers: then `on_back`.

    The callbacks may be called before the constructor has returned.
    """

    def __init__(self, driver: Driver, *, on_away: Callable[[], None], on_back: Callable[[], None]) -> None:
        self._driver, self._on_away, self._on_back = driver, on_away, on_back
        self._is_away = False
        self._closed = threading.Event()
        self._tie: Tie | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="engine-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer. Idempotent."""
        with self._lock:
            self._closed.set()
            if self._tie is not None:
                self._tie.close()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.is_set():
            if (tie := self._reach()) is not None:
                self._note_back()
                self._hold(tie)
            if not self._closed.is_set():
                self._note_away()
            if tie is None:
                self._closed.wait(_AGAIN_SECONDS)

    def _reach(self) -> Tie | None:
        try:
            return self._driver.tie()
        except SandboxUnavailable as error:
            if not self._is_away:
                logger.error("engine.silent error=%s", error)
            return None

    def _hold(self, tie: Tie) -> None:
        """Wait for the engine to go, or for the end of this watch."""
        with self._lock:
            self._tie = tie
            if self._closed.is_set():
                tie.close()
        tie.wait()
        with self._lock:
            self._tie = None
            tie.close()

    def _note_away(self) -> None:
        """First what may hold the engine up goes on; then whoever keeps frozen boxes hears of it."""
        if not self._is_away:
            logger.error("engine.away")
        self._is_away = True
        try:
            self._driver.thaw_all()
        except OSError as error:
            logger.error("engine.boxes_not_thawed error=%s", error)
        self._on_away()

    def _note_back(self) -> None:
        if self._is_away:
            logger.warning("engine.back")
            self._is_away = False
            self._on_back()
