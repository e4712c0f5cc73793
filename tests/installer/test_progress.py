"""One plain line a step for a file, a pipe or a log; and the end when nobody reads any more."""

import os
import re
import signal
from io import StringIO

import pytest

from installer.errors import Stopped
from installer.progress import Progress


def test_a_step_is_one_plain_line_with_its_seconds() -> None:
    stream = StringIO()
    with Progress(stream).step("tables") as step:
        step.detail = "up to date"
    assert re.fullmatch(r"  ok +\d+\.\d s  tables +up to date\n", stream.getvalue())


def test_a_step_that_takes_long_is_announced() -> None:
    stream = StringIO()
    with Progress(stream).step("box image", announce=True):
        assert "box image: started" in stream.getvalue()


def test_a_step_that_fails_is_marked_and_its_error_goes_on() -> None:
    stream = StringIO()
    with pytest.raises(ValueError, match="no"), Progress(stream).step("tables"):
        raise ValueError("no")
    assert stream.getvalue().startswith("  !!")


def test_a_reader_that_left_is_a_wish_to_stop() -> None:
    def stop(number: int, frame: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        progress = Progress(pipe)
        try:
            with pytest.raises(Stopped):
                progress.say("is anybody there?")
        finally:
            signal.signal(signal.SIGTERM, before)
        progress.say("stopping")
