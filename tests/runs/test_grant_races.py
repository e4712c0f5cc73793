"""Decisions that fall at one moment with each other or with the run that waits for them: nothing waits for ever."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from django.db import connection

from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote
from apps.core.events import emit
from apps.core.tenancy import scope
from apps.functions.definition import Provenance, Settings
from apps.functions.models import CapabilityRequest, Origin
from apps.packages.models import PackageSet
from apps.packages.states import PackageState
from apps.runs.models import Run
from tests.runs.conftest import begin, write

ROUNDS = 6
BY_AGENT = Provenance(origin=Origin.AGENT, prompt="do it", model="scripted")


def asks(cast: SimpleNamespace, number: int, **more: object):
    """A function of an agent, for which nobody has asked yet."""
    source = f"def use{number}(n: int) -> int:\n    return n\n"
    host = Settings(hosts=(f"h{number}.example.org",))
    return write(cast, source, settings=host, provenance=BY_AGENT, **more)


def at_once(cast: SimpleNamespace, *actions: Callable[[], object]) -> None:
    """Each in a thread and a transaction of its own. Raises what one of them raised."""

    def play(action: Callable[[], object]) -> None:
        try:
            with scope(cast.acme.pk):
                action()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        list(pool.map(play, actions))


def approve(cast: SimpleNamespace) -> None:
    asked = ApprovalRequest.objects.get(state="open", kind="capabilities")
    cast_vote(actor=cast.approver, request_id=asked.pk, decision="approve", reason="", shown_digest=asked.digest)


def states(cast: SimpleNamespace) -> set[str]:
    with scope(cast.acme.pk):
        return set(Run.objects.values_list("state", flat=True))


def test_runs_started_at_once_open_one_request(cast) -> None:
    version = asks(cast, 0)
    at_once(cast, *[lambda n=n: begin(cast, version, n=n) for n in range(4)])
    with scope(cast.acme.pk):
        assert CapabilityRequest.objects.count() == 1
        assert Run.objects.filter(capabilities=CapabilityRequest.objects.get(), state="awaiting_approval").count() == 4


def test_a_run_started_at_the_moment_of_the_vote_does_not_wait_for_ever(cast) -> None:
    for number in range(ROUNDS):
        version = asks(cast, number)
        begin(cast, version, n=1)
        at_once(cast, lambda: approve(cast), lambda version=version: begin(cast, version, n=2))
        assert states(cast) == {"queued"}


def test_packages_and_hosts_decided_at_one_moment_let_the_run_go_on(cast) -> None:
    for number in range(ROUNDS):
        run = begin(cast, asks(cast, number, requirements=[f"leaf{number}"]), n=1)
        assert run.state == "awaiting_approval"

        def build(key=run.package_set_id, digest=f"{number}" * 64) -> None:
            PackageSet.objects.filter(pk=key).update(state=PackageState.READY, environment_digest=digest)
            emit("packages.ready", package_set_id=key, task_id=None)

        at_once(cast, build, lambda: approve(cast))
        with scope(cast.acme.pk):
            ended = Run.objects.get(pk=run.pk)
            assert (ended.state, ended.environment_digest) == ("queued", f"{number}" * 64)


def test_one_of_two_decisions_is_not_enough(cast) -> None:
    run = begin(cast, asks(cast, 1, requirements=["leaf"]), n=1)
    with scope(cast.acme.pk):
        approve(cast)
        assert Run.objects.get(pk=run.pk).state == "awaiting_approval"
        PackageSet.objects.filter(pk=run.package_set_id).update(state=PackageState.READY, environment_digest="a" * 64)
        emit("packages.ready", package_set_id=run.package_set_id, task_id=None)
        assert Run.objects.get(pk=run.pk).state == "queued"
