"""Runs other programs for the steps: output into the log, no inherited descriptors, and none left behind at a stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, TextIO, Union

from .errors import SetupError, explain

STOP_GRACE_SECONDS = 10
ERROR_LINE = re.compile(r"^(\w+(\.\w+)*)?(Error|error|ERROR|E|Exception|fatal)\b: ")
Word = Union[str, Path]


@dataclass(frozen=True)
class Result:
    """How a program ended: its exit code and all it wrote (standard error merged in)."""

    code: int
    output: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def last_line(self) -> str:
        return next((line.strip() for line in reversed(self.output.splitlines()) if line.strip()), "no output")

    @property
    def complaint(self) -> str:
        """The last line that names an error, for most programs say more after it; else the last line."""
        lines = [line.strip() for line in self.output.splitlines() if ERROR_LINE.search(line)]
        return lines[-1] if lines else self.last_line


class Shell:
    """Runs programs, each in a session of its own so that Ctrl-C reaches the installer alone, which then decides."""

    def __init__(self) -> None:
        self.log: Optional[Path] = None
        self.stopping = False
        self.children: dict[int, subprocess.Popen[str]] = {}
        self.lock = threading.Lock()

    def run(
        self,
        command: Sequence[Word],
        *,
        doing: str = "",
        check: bool = True,
        directory: Optional[Path] = None,
        environment: Optional[Mapping[str, str]] = None,
        text: Optional[str] = None,
        on_line: Optional[Callable[[str], None]] = None,
        separate_errors: bool = False,
        must_finish: bool = False,
    ) -> Result:
        """Runs a program to its end. A program that is not there ends with code 127.

        `doing` goes into the message for a person; `environment` is added to this process's own; `text` is the input.
        `separate_errors` keeps standard error out of the result, for programs whose output is read.
        `must_finish` lets it start and end during a stop as well: apt half-way would harm the machine, and so for cleaning up.

        Raises: SetupError when it fails and `check` is set, or when set-up is being stopped.
        """
        words = [str(word) for word in command]
        try:
            child = self._start(
                words,
                directory,
                environment,
                has_input=text is not None,
                separate_errors=separate_errors,
                must_finish=must_finish,
            )
        except OSError as error:
            result = Result(127, f"{words[0]}: {error.strerror}\n")
        else:
            result = self._follow(child, words, text, on_line)
        if check and not result.ok:
            raise self._failure(words, result, doing)
        return result

    def attempt(self, command: Sequence[Word], *, separate_errors: bool = False, must_finish: bool = False) -> Result:
        """Runs a program whose failure is an answer."""
        return self.run(command, check=False, separate_errors=separate_errors, must_finish=must_finish)

    def stop(self) -> None:
        """Ends what runs and lets nothing new start; waits for those that must finish."""
        with self.lock:
            self.stopping = True
            children = list(self.children.values())
        for child in children:
            _signal_group(child, signal.SIGTERM)
        for child in children:
            try:
                child.wait(STOP_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                _signal_group(child, signal.SIGKILL)

    def _start(
        self,
        words: list[str],
        directory: Optional[Path],
        environment: Optional[Mapping[str, str]],
        *,
        has_input: bool,
        separate_errors: bool,
        must_finish: bool,
    ) -> subprocess.Popen[str]:
        with self.lock:
            if self.stopping and not must_finish:
                raise SetupError("Set-up was stopped.", "Start it again; what is done is kept.")
            child = subprocess.Popen(
                words,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if separate_errors else subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            if not must_finish:
                self.children[child.pid] = child
            return child

    def _follow(
        self, child: subprocess.Popen[str], words: list[str], text: Optional[str], on_line: Optional[Callable[[str], None]]
    ) -> Result:
        lines: list[str] = []
        try:
            with self._open_log() as log:
                log.write(f"$ {' '.join(words)}\n")
                self._feed(child, text)
                for line in child.stdout or ():
                    lines.append(line)
                    log.write(line)
                    if on_line:
                        on_line(line.rstrip())
            return Result(child.wait(), "".join(lines))
        finally:
            self._forget(child)

    def _feed(self, child: subprocess.Popen[str], text: Optional[str]) -> None:
        if child.stdin is None:
            return
        try:
            child.stdin.write(text or "")
            child.stdin.close()
        except BrokenPipeError:
            return  # it ended without reading; its exit code says the rest

    def _forget(self, child: subprocess.Popen[str]) -> None:
        with self.lock:
            registered = self.children.pop(child.pid, None)
        if child.poll() is None and registered is not None:
            _signal_group(child, signal.SIGTERM)
        child.wait()

    def _open_log(self) -> TextIO:
        return open(self.log or os.devnull, "a", encoding="utf-8")

    def _failure(self, words: list[str], result: Result, doing: str) -> SetupError:
        name = doing or Path(words[0]).name
        known = explain(result.output, name)
        if known:
            return known
        return SetupError(f"{name} failed: {result.complaint}", f"All that it wrote is at the end of {self.log}.")


def _signal_group(child: subprocess.Popen[str], number: int) -> None:
    with suppress(ProcessLookupError):  # it may have ended by itself in the meantime
        os.killpg(child.pid, number)
