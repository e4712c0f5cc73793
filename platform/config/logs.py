"""How log lines look: one JSON object each in production, plain text on a terminal. All of them go to standard error.

Lines carry the ids of their request, run and workspace (core.log_context). Credentials that a library puts into a message
are masked here; nothing of ours logs any.
"""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

FIRST = ("timestamp", "level", "logger", "event", "exception")
CREDENTIALS = re.compile(
    r"""(?P<before>://[^/\s:@]*:) [^/\s@]+ (?=@)                      # the password in an address
      | (?P<scheme>\b(?:Bearer|Basic)\s+) [A-Za-z0-9._~+/=-]{8,}       # an authorisation header
      | (?P<token>\bsst_) [A-Za-z0-9_-]{8,}                            # a token of this platform
      | (?P<key>\bsk-) [A-Za-z0-9_-]{8,}                               # a model provider's key
    """,
    re.VERBOSE,
)


def logging_settings(*, form: str, level: str) -> dict[str, Any]:
    """Django's LOGGING. `form` is json or plain; another one stops the process."""
    formatters = {"json": JsonLines, "plain": PlainLines}
    quiet = {"level": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": formatters[form]}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "httpx": quiet,
            "docker": quiet,
            "mcp": quiet,
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.error": {"handlers": [], "propagate": True},
            "uvicorn.access": {"handlers": [], "propagate": True, **quiet},
            "celery.app.trace": quiet,
            "celery.worker.strategy": quiet,
            "selfsmith.request": {"level": level if form == "json" else "WARNING"},
        },
    }


def drop_objects(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What libraries attach for handlers of their own: Django the request, with its address; the web server words in colour."""
    for name in ("request", "color_message"):
        line.pop(name, None)
    return line


def mask_credentials(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Whatever a library said, no password or token is written down."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = CREDENTIALS.sub(_masked, value)
    return line


def _masked(found: re.Match[str]) -> str:
    return f"{next(group for group in found.groups() if group is not None)}***"


def as_text(_: Any, __: str, line: MutableMapping[str, Any]) -> str:
    """`2026-01-31T12:00:00Z INFO apps.runs.work run.claimed run=…`, and a traceback below it."""
    rest = "".join(f" {name}={value}" for name, value in line.items() if name not in FIRST)
    traceback = f"\n{line['exception']}" if "exception" in line else ""
    return f"{line['timestamp']} {line['level'].upper()} {line['logger']} {line['event']}{rest}{traceback}"


class _Lines(structlog.stdlib.ProcessorFormatter):
    """Lines of the standard library's loggers, which everything here uses."""

    renderer: Processor

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                drop_objects,
                structlog.processors.format_exc_info,
                mask_credentials,
                self.renderer,
            ],
        )


class JsonLines(_Lines):
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)


class PlainLines(_Lines):
    renderer = staticmethod(as_text)
