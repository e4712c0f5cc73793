"""A log line can be found by the ids of its work, and holds no credential."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from apps.core.log_context import bound
from apps.core.tenancy import scope
from config.logs import JsonLines, PlainLines, logging_settings


@contextmanager
def written_by(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    """What a logger `testing` writes."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    logger = logging.getLogger("testing")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield written
    logger.removeHandler(handler)


@pytest.fixture(params=[JsonLines, PlainLines])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    with written_by(request.param()) as written:
        yield written


@pytest.fixture
def json_line() -> Iterator[Callable[[], dict[str, str]]]:
    with written_by(JsonLines()) as written:
        yield lambda: json.loads(written.getvalue())


log = logging.getLogger("testing")


def test_a_line_is_one_object_with_time_level_logger_and_words(json_line) -> None:
    log.warning("wake.not_sent kind=%s", "runs", extra={"tries": 3})
    found = json_line()
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "wake.not_sent kind=runs", "level": "warning", "logger": "testing", "tries": 3}


def test_a_traceback_stays_on_its_line_and_holds_no_values(json_line) -> None:
    try:
        hidden = "the value of a variable"
        raise ValueError(len(hidden))
    except ValueError:
        log.exception("it failed")
    assert "ValueError: 23" in json_line()["exception"]
    assert "the value of a variable" not in json_line()["exception"]


def test_lines_carry_the_ids_of_their_run_and_workspace(lines: io.StringIO, cast) -> None:
    run = uuid4()
    with bound(run=run), scope(cast.acme.pk):
        log.info("inside")
    log.info("outside")
    inside, outside = lines.getvalue().splitlines()
    assert str(run) in inside
    assert str(cast.acme.pk) in inside
    assert str(run) not in outside
    assert str(cast.acme.pk) not in outside


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("cannot connect to redis://user:pa55-word@host:6379/0", "pa55-word"),
        ("cannot connect to redis://:pa55-word@host", "pa55-word"),
        ("sent Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
        ("token sst_Zm9vYmFyYmF6cXV4 was used", "Zm9vYmFyYmF6cXV4"),
        ("Incorrect API key provided: sk-proj-abcdef123456", "abcdef123456"),
    ],
)
def test_credentials_are_masked_wherever_they_stand(lines: io.StringIO, said: str, hidden: str) -> None:
    log.error("%s", said)
    try:
        raise RuntimeError(said)
    except RuntimeError:
        log.exception("it failed", extra={"detail": said})
    assert hidden not in lines.getvalue()
    assert "***" in lines.getvalue()


def test_a_request_that_django_attaches_is_not_written_down(lines: io.StringIO, rf) -> None:
    log.error("Internal Server Error", extra={"request": rf.get("/secret/address"), "status_code": 500})
    assert "secret/address" not in lines.getvalue()
    assert "500" in lines.getvalue()


def test_an_unknown_form_stops_the_process() -> None:
    with pytest.raises(KeyError):
        logging_settings(form="xml", level="INFO")
