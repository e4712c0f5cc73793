"""One line a step, with its seconds. Plain lines when nobody watches; a moving last line on a terminal."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional, TextIO

REFRESH_SECONDS = 0.5
WIDTH = 100


class Step:
    """A step under way; `detail` becomes part of its final line, `note` shows while it runs (terminal only)."""

    def __init__(self, title: str, started: float) -> None:
        self.title = title
        self.detail = ""
        self.note = ""
        self.started = started


class Progress:
    """Writes the lines. Safe to use from several threads, since steps run beside each other."""

    def __init__(self, stream: Optional[TextIO] = None) -> None:
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.running: list[Step] = []
        self.lock = threading.Lock()
        self.painter: Optional[threading.Thread] = None

    def say(self, text: str) -> None:
        """A line that belongs to no step."""
        with self.lock:
            self._write(text)

    @contextmanager
    def step(self, title: str, *, announce: bool = False) -> Iterator[Step]:
        """Times a step. `announce` prints a line at its start too, for what takes long and nobody sees moving."""
        step = Step(title, time.monotonic())
        with self.lock:
            self.running.append(step)
            if announce and not self.live:
                self._write(f"  ..           {title}: started")
        self._start_painting()
        mark = "!!"
        try:
            yield step
            mark = "ok"
        finally:
            with self.lock:
                self.running.remove(step)
                self._write(f"  {mark} {time.monotonic() - step.started:7.1f} s  {step.title:<22} {step.detail}".rstrip())

    def _write(self, line: str) -> None:
        erase = "\r\x1b[2K" if self.live else ""
        try:
            print(f"{erase}{line}", file=self.stream, flush=True)
        except BrokenPipeError:
            # Whoever read has gone (`make run | head`): end as on Ctrl-C, and let the ending speak to nobody.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
            os.kill(os.getpid(), signal.SIGTERM)

    def _start_painting(self) -> None:
        if self.live and self.painter is None:
            self.painter = threading.Thread(target=self._paint, daemon=True)
            self.painter.start()

    def _paint(self) -> None:
        """Keeps the last line of a terminal showing what is under way."""
        while True:
            with self.lock:
                if self.running:
                    self.stream.write("\r\x1b[2K" + self._status()[:WIDTH])
                    self.stream.flush()
            time.sleep(REFRESH_SECONDS)

    def _status(self) -> str:
        now = time.monotonic()
        return "  .. " + ", ".join(
            f"{step.title} {now - step.started:.0f} s{' (' + step.note + ')' if step.note else ''}" for step in self.running
        )
