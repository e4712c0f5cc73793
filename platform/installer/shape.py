"""What is started and how it is set: one of each process for a person who tries it, several of them for production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import SetupError

PRODUCTION = "config.settings.production"
MOST = 32  # processes of one kind; more of them belong on more machines
STOP_SECONDS = 60  # how long a worker may finish what must not be begun twice
# Boxes that wait or are kept, in every shape: see config/settings/base.py.
BOXES = tuple(f"SELFSMITH_BOXES_{name}" for name in ("MIN", "MAX", "AGE", "STARTS", "WAIT", "KEPT_MAX", "KEPT_RUNS", "KEPT_IDLE"))
# A database and a Redis that somebody else runs. Without the first of a group, the installation starts its own.
DATABASE = ("SELFSMITH_DATABASE_HOST", "SELFSMITH_DATABASE_PORT", "SELFSMITH_DATABASE_NAME", "SELFSMITH_DATABASE_PASSWORD_FILE")
REDIS = ("SELFSMITH_REDIS_URL", "SELFSMITH_REDIS_URL_FILE")
# What the operator says to production processes and what they get as it is. Secrets are given as NAME_FILE.
VARIABLES = (
    "SELFSMITH_HOSTS",
    "SELFSMITH_HTTPS",
    "SELFSMITH_METRICS_TOKEN_FILE",
    "SELFSMITH_METRICS_FROM_LOOPBACK",
    "SELFSMITH_LOG_FORM",
    "SELFSMITH_ALERT_MAIL",
    "SELFSMITH_ALERT_WEBHOOK_FILE",
    "SELFSMITH_ALERT_ALLOWED_LOCAL_HOSTS",
    "SELFSMITH_ALERT_QUEUE_SECONDS",
    "SELFSMITH_ALERT_FREE_MIB",
    "SELFSMITH_MAIL_FROM",
    "SELFSMITH_MAIL_HOST",
    "SELFSMITH_MAIL_PORT",
    "SELFSMITH_MAIL_USER",
    "SELFSMITH_MAIL_PASSWORD_FILE",
    "SELFSMITH_MAIL_TLS",
    "SELFSMITH_WORKER_CONCURRENCY",
    *BOXES,
    *DATABASE,
    *REDIS,
    "SELFSMITH_HOST_NAME",
    "SELFSMITH_PACKAGES_INDEX",
    "SELFSMITH_LLM_ALLOWED_LOCAL_HOSTS",
    "SELFSMITH_LLM_PROVIDERS",
)


@dataclass(frozen=True)
class Shape:
    """How many processes of each kind, with which settings. The default is what `make run` starts."""

    settings: str = "config.settings.embedded"
    webs: tuple[str, ...] = ("web",)
    workers: tuple[str, ...] = ("worker",)
    stop_seconds: int = 20
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All processes of the platform itself, the engines left out."""
        return (*self.webs, *self.workers, "scheduler")

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that it starts itself."""
        others = {"postgres": DATABASE, "redis": REDIS}
        return tuple(name for name, variables in others.items() if not any(each in self.variables for each in variables))


EMBEDDED = Shape()


def production_shape(environment: Mapping[str, str]) -> Shape:
    """As the variables say.

    Raises: SetupError when a number is none, when nobody said under which names the pages are reached, or half a database.
    """
    if not environment.get("SELFSMITH_HOSTS"):
        raise SetupError(
            "Production needs the names under which people reach it.",
            "Give them: `SELFSMITH_HOSTS=selfsmith.example.com make prod`, and put a proxy with TLS before it "
            "(docs/how-to/production.md). To try it on this machine: `SELFSMITH_HOSTS=127.0.0.1 SELFSMITH_HTTPS=no make prod`.",
        )
    further = [name for name in DATABASE[1:] if name in environment]
    if further and DATABASE[0] not in environment:
        raise SetupError(
            f"{further[0]} belongs to a database of your own, and {DATABASE[0]} does not say where it is.",
            f"Give {DATABASE[0]} too, or leave {', '.join(further)} out to have a database started here.",
        )
    webs, workers = (numbered(kind, count(environment, f"SELFSMITH_{kind.upper()}S")) for kind in ("web", "worker"))
    if not webs and not workers:
        raise SetupError("Neither webs nor workers are wanted.", "Give SELFSMITH_WEBS or SELFSMITH_WORKERS a number above 0.")
    return Shape(
        settings=PRODUCTION,
        webs=webs,
        workers=workers,
        stop_seconds=STOP_SECONDS,
        variables={name: environment[name] for name in VARIABLES if name in environment},
    )


def count(environment: Mapping[str, str], name: str) -> int:
    """A number of processes, 2 when nothing is said; none where the other kind's host is another one.

    Raises: SetupError
    """
    text = environment.get(name, "2")
    if not text.isdecimal() or not text.isascii() or int(text) > MOST:
        raise SetupError(f"{name} is {text!r}, which is no number of processes.", f"Give a number from 0 to {MOST}.")
    return int(text)


def numbered(kind: str, number: int) -> tuple[str, ...]:
    return tuple(f"{kind}-{each}" for each in range(1, number + 1))
