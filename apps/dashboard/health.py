"""Health: what a workspace has and waits for, as far as this process can see or was told. What nobody has reported reads so.

The parts of the installation are the operator's: their names and figures tell of other workspaces. Members learn whether
the platform works.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import redis
from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpResponse
from django.urls import path
from kombu.exceptions import OperationalError

from apps.agents.models import Task, TaskState
from apps.audit.models import AuditRecord
from apps.dashboard.access import PageRequest, page
from apps.dashboard.respond import show
from apps.dashboard.wording import as_size
from apps.monitoring.alerts import open_alerts
from apps.monitoring.models import ProcessKind
from apps.monitoring.reports import alive
from apps.packages.models import PackageSet
from apps.packages.states import PackageState
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.workspaces.roles import Permission

ANSWER_SECONDS = 0.4  # a worker on the same host answers within some milliseconds
SEAL_LATE = timedelta(seconds=60)  # the scheduler seals the audit trail every few seconds
LEAST_FREE_BYTES = 1024**3


@dataclass(frozen=True)
class Part:
    """One line: state is ok, degraded, unreachable or untested."""

    name: str
    state: str
    text: str
    hint: str = ""
    figure: str = ""


@page(Permission.VIEW)
def health(request: PageRequest) -> HttpResponse:
    of_platform = _INSTALLATION if request.user.is_staff else (_platform,)
    looks: tuple[Callable[[], Part], ...] = (*of_platform, _scheduler, _sandbox, _waiting_work, _lane)
    return show(request, "health/index.html", {"parts": [look() for look in looks], "setup": None}, part="live")


def _platform() -> Part:
    """For members: whether their work can go on. A page that is drawn has reached the database."""
    if any(look().state == "unreachable" for look in (_redis, _workers)):
        hint = "Your work is kept and goes on by itself when it does. Tell the operator of this installation if it lasts."
        return Part("Platform", "unreachable", "It does not work at the moment.", hint)
    return Part("Platform", "ok", "It works.")


def _database() -> Part:
    """A page that is drawn has reached the database; what is worth telling is how fast it answers."""
    begun = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    return Part("Database", "ok", f"PostgreSQL {version.split(' ')[0]}", figure=_milliseconds(begun))


def _redis() -> Part:
    begun = time.perf_counter()
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            version = client.info("server")["redis_version"]
    except redis.RedisError as error:
        return Part(
            "Redis", "unreachable", str(error)[:200], "Work goes on when the scheduler finds it; pages are slower to change."
        )
    return Part("Redis", "ok", f"Redis {version}", figure=_milliseconds(begun))


def _workers() -> Part:
    """Asked over the broker, just now."""
    try:
        names = _ask_workers()
    except (OperationalError, redis.RedisError, OSError) as error:
        return Part("Workers", "unreachable", f"The broker does not answer: {str(error)[:200]}")
    if not names:
        return Part("Workers", "unreachable", "No worker answers.", "Runs, builds and tasks wait until one is started.")
    return Part("Workers", "ok", ", ".join(names)[:300], figure=f"{len(names)} running")


def _ask_workers() -> list[str]:
    answers = current_app.control.ping(timeout=ANSWER_SECONDS) or []
    return sorted(name for answer in answers for name in answer)


def _scheduler() -> Part:
    """Told by what it leaves behind: it seals new records of the audit trail in every round."""
    newest = AuditRecord.objects.order_by("-id").first()
    if newest is None:
        return Part("Scheduler", "untested", "It has had nothing to do in this workspace yet.")
    if AuditRecord.objects.filter(seal=None, at__lt=Now() - SEAL_LATE).exists():
        return Part(
            "Scheduler",
            "unreachable",
            "Records of the audit trail wait for their seal.",
            "Lost work is not found again until it runs.",
        )
    return Part("Scheduler", "ok", "The audit trail is sealed up to the last minute.")


def _sandbox() -> Part:
    """Only workers talk to the sandbox, so this is what they wrote down of the last box of this workspace."""
    name = f"Sandbox ({settings.SANDBOX_RUNTIME})"
    last = Run.objects.exclude(kernel="").order_by("-id").only("kernel", "started_at").first()
    if last is None:
        return Part(name, "untested", "No report yet: no box has run in this workspace.")
    is_weak = settings.SANDBOX_RUNTIME != "runsc"
    hint = "Plain containers are no barrier against hostile code. Set SANDBOX_RUNTIME=runsc." if is_weak else ""
    return Part(name, "degraded" if is_weak else "ok", f"The last box ran on {last.kernel}", hint)


def _boxes() -> Part:
    """As the workers that live have reported them, all workspaces' together."""
    workers = list(alive(ProcessKind.WORKER).values_list("name", "warm_boxes", "freezes_boxes"))
    if not workers:
        return Part("Warm boxes", "untested", "No worker has reported any yet.")
    awake = [name for name, _, freezes in workers if not freezes]
    figure = f"{sum(number for _, number, _ in workers)} warm"
    if awake:
        return Part(
            "Warm boxes",
            "degraded",
            f"One waits at most in {', '.join(awake)[:200]}, which may not freeze boxes.",
            "Run the worker as root, or let it write to the control groups in /sys/fs/cgroup.",
            figure,
        )
    return Part("Warm boxes", "ok", "They wait frozen, and use no processor time.", figure=figure)


def _waiting_work() -> Part:
    """Of this workspace only: what others wait for is not to be seen here."""
    counts = {
        "tasks": Task.objects.filter(state=TaskState.QUEUED).count(),
        "runs": Run.objects.filter(state=RunState.QUEUED).count(),
        "packages": PackageSet.objects.filter(state__in=(PackageState.QUEUED, PackageState.APPROVED)).count(),
    }
    text = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    return Part("Queue of this workspace", "ok", f"Waiting for a worker: {text}", figure=f"{sum(counts.values())} waiting")


def _lane() -> Part:
    """How much of what this workspace may have at once it has."""
    running, waiting = (Run.objects.filter(state=state).count() for state in (RunState.RUNNING, RunState.QUEUED))
    most, most_waiting = settings.WORKSPACE_RUNNING_RUNS, settings.WORKSPACE_QUEUED_RUNS
    text = f"{running} of {most} runs at once; {waiting} of {most_waiting} may wait. Workspaces take turns."
    if waiting >= most_waiting:
        return Part("Runs of this workspace", "degraded", text, "No further run is taken until some have begun.")
    return Part("Runs of this workspace", "ok", text, figure=f"{running} running")


def _disk() -> Part:
    usage = shutil.disk_usage(settings.HOME)
    figure = f"{as_size(usage.free)} free"
    if usage.free < LEAST_FREE_BYTES:
        return Part(
            "Disk", "degraded", f"of {as_size(usage.total)}", "Files and environments cannot be stored when it is full.", figure
        )
    return Part("Disk", "ok", f"of {as_size(usage.total)}", figure=figure)


def _alerts() -> Part:
    """What the operator is called for."""
    found = list(open_alerts())
    if not found:
        return Part("Alerts", "ok", "No rule has found anything wrong.")
    is_told = all(alert.told_at for alert in found)
    hint = "" if is_told else "Nobody was told: the operator can set SELFSMITH_ALERT_MAIL or SELFSMITH_ALERT_WEBHOOK."
    return Part("Alerts", "degraded", " ".join(alert.text for alert in found), hint, f"{len(found)} open")


_INSTALLATION = (_database, _redis, _workers, _boxes, _disk, _alerts)


def _milliseconds(begun: float) -> str:
    return f"{(time.perf_counter() - begun) * 1000:.1f} ms"


urlpatterns = [path("health/", health, name="health")]
