"""Many runs at once: each by itself, once, with the rights of whoever asked, and with what could not be named."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now

from apps.audit.models import AuditRecord
from apps.core import leases, stopping
from apps.core.retries import MAX_LOSSES
from apps.core.tenancy import scope
from apps.runs import bulk
from apps.runs.bulk import (
    NoRuns,
    TooManyRequests,
    TooManyRuns,
    find_bulk_action,
    perform_next_bulk,
    request_bulk,
    sweep_lost_bulk,
)
from apps.runs.bulk_actions import BulkAction, BulkKind, BulkState
from apps.runs.filters import read_run_filter
from apps.runs.models import Run, RunTrigger
from apps.runs.services import KeyReused, cancel_run
from apps.workspaces.models import Membership
from apps.workspaces.roles import Role
from apps.workspaces.services import PermissionMissing
from tests.runs.conftest import begin, see, write

SOURCE = "def double(n: int) -> int:\n    return 2 * n\n"
ALL = read_run_filter({})


@pytest.fixture
def version(cast):
    return write(cast, SOURCE)


@pytest.fixture
def three(cast, version) -> list[Run]:
    return [begin(cast, version, n=number) for number in range(3)]


def ask(cast, kind: BulkKind = BulkKind.CANCEL, **given) -> BulkAction:
    with scope(cast.acme.pk):
        return request_bulk(actor=given.pop("actor", cast.operator), kind=kind, **given)


def look(cast, action: BulkAction) -> BulkAction:
    with scope(cast.acme.pk):
        return find_bulk_action(action.pk)


def states(cast, runs: list[Run]) -> list[str]:
    return [see(cast, run).state for run in runs]


def restarts(cast) -> list[Run]:
    with scope(cast.acme.pk):
        return list(Run.objects.filter(restarted_from__isnull=False).order_by("pk"))


def test_chosen_runs_are_cancelled_and_no_others(cast, three) -> None:
    action = ask(cast, run_ids=[three[0].pk, three[2].pk])
    assert states(cast, three) == ["queued"] * 3, "it is done by a worker"
    assert perform_next_bulk()
    assert states(cast, three) == ["cancelled", "queued", "cancelled"]
    done = look(cast, action)
    assert (done.state, done.count, done.done_count, done.failed_count, done.failures) == ("done", 2, 2, 0, [])
    assert not perform_next_bulk()


def test_all_that_match_when_it_is_asked_are_meant_and_none_that_come_later(cast, version, three) -> None:
    action = ask(cast, BulkKind.RERUN, wanted=ALL)
    later = begin(cast, version, n=9)
    assert perform_next_bulk()
    made = restarts(cast)
    assert [run.restarted_from_id for run in made] == [run.pk for run in three]
    assert [run.arguments for run in made] == [run.arguments for run in three]
    assert later.pk not in {run.restarted_from_id for run in made}
    assert look(cast, action).done_count == 3


def test_what_has_ended_matches_nothing_that_is_to_be_cancelled(cast, three) -> None:
    with scope(cast.acme.pk):
        cancel_run(actor=cast.owner, run_id=three[0].pk)
    action = ask(cast, wanted=ALL)
    assert set(action.run_ids) == {three[1].pk, three[2].pk}
    perform_next_bulk()
    with pytest.raises(NoRuns, match="No open run matches"):
        ask(cast, wanted=ALL)


def test_what_could_not_be_is_named_with_its_reason_and_the_others_are_done(cast, three) -> None:
    with scope(cast.acme.pk):
        cancel_run(actor=cast.owner, run_id=three[1].pk)
    nowhere = uuid4()
    action = ask(cast, run_ids=[three[0].pk, three[1].pk, nowhere, three[2].pk])
    assert perform_next_bulk()
    done = look(cast, action)
    assert (done.done_count, done.failed_count) == (2, 2)
    assert done.failures == [
        {"run": str(three[1].pk), "message": "This run had already ended."},
        {"run": str(nowhere), "message": "There is no such run here."},
    ]
    assert states(cast, three) == ["cancelled"] * 3


def test_runs_of_another_workspace_cannot_be_meant(cast, three) -> None:
    with scope(cast.globex.pk):
        action = request_bulk(actor=cast.stranger, kind=BulkKind.CANCEL, run_ids=[run.pk for run in three])
    assert perform_next_bulk()
    assert states(cast, three) == ["queued"] * 3
    with scope(cast.globex.pk):
        assert find_bulk_action(action.pk).failed_count == 3


def test_only_so_many_failures_are_named_and_all_are_counted(cast, monkeypatch) -> None:
    monkeypatch.setattr(bulk, "MOST_NAMED", 2)
    action = ask(cast, run_ids=[uuid4() for _ in range(5)])
    perform_next_bulk()
    done = look(cast, action)
    assert (len(done.failures), done.failed_count, done.done_count) == (2, 5, 0)


def test_a_viewer_can_ask_for_nothing(cast, three) -> None:
    with pytest.raises(PermissionMissing):
        ask(cast, actor=cast.viewer, wanted=ALL)


def test_the_rights_are_those_that_whoever_asked_has_when_it_is_done(cast, three) -> None:
    action = ask(cast, wanted=ALL)
    with scope(cast.acme.pk):
        Membership.objects.filter(pk=cast.operator.pk).update(role=Role.VIEWER)
    assert perform_next_bulk()
    assert states(cast, three) == ["queued"] * 3
    assert look(cast, action).failed_count == 3


def test_nothing_is_done_for_somebody_who_has_left(cast, three) -> None:
    action = ask(cast, wanted=ALL)
    with scope(cast.acme.pk):
        Membership.objects.get(pk=cast.operator.pk).delete()
    assert perform_next_bulk()
    assert {each["message"] for each in look(cast, action).failures} == {"Whoever asked for this is no member here any more."}
    assert states(cast, three) == ["queued"] * 3


def test_a_program_stays_a_program(cast, three) -> None:
    cast.operator.is_token = True
    ask(cast, BulkKind.RERUN, run_ids=[three[0].pk])
    assert perform_next_bulk()
    [made] = restarts(cast)
    assert made.trigger == RunTrigger.API


def test_the_same_key_gives_the_first_request_and_refuses_another(cast, three) -> None:
    first = ask(cast, BulkKind.RERUN, run_ids=[three[0].pk], idempotency_key="k")
    assert ask(cast, BulkKind.RERUN, run_ids=[three[0].pk], idempotency_key="k").pk == first.pk
    with pytest.raises(KeyReused):
        ask(cast, BulkKind.RERUN, run_ids=[three[1].pk], idempotency_key="k")


def test_one_request_has_a_bound_and_so_has_their_number(cast, three, monkeypatch) -> None:
    monkeypatch.setattr(bulk, "MOST_RUNS", 2)
    with pytest.raises(TooManyRuns):
        ask(cast, wanted=ALL)
    monkeypatch.setattr(bulk, "MOST_OPEN", 1)
    ask(cast, run_ids=[three[0].pk])
    with pytest.raises(TooManyRequests):
        ask(cast, run_ids=[three[1].pk])
    with scope(cast.globex.pk), pytest.raises(NoRuns):
        request_bulk(actor=cast.stranger, kind=BulkKind.RERUN, wanted=ALL)  # others' do not count


def test_a_worker_that_vanished_is_followed_where_it_stopped_and_nothing_is_done_twice(cast, three, monkeypatch) -> None:
    action = ask(cast, BulkKind.RERUN, wanted=ALL)
    act, seen = bulk._act, list[UUID]()

    def die_at_the_second(row: BulkAction, run_id: UUID) -> None:
        seen.append(run_id)
        act(row, run_id)
        if len(seen) == 2:
            raise SystemExit  # after what it did, and before it could say so

    monkeypatch.setattr(bulk, "_act", die_at_the_second)
    with pytest.raises(SystemExit):
        perform_next_bulk()
    assert len(restarts(cast)) == 1, "what was not told was undone"
    monkeypatch.undo()
    with scope(cast.acme.pk):
        BulkAction.objects.filter(pk=action.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert sweep_lost_bulk() == 1
    assert perform_next_bulk()
    assert [run.restarted_from_id for run in restarts(cast)] == [run.pk for run in three]
    assert look(cast, action).done_count == 3


def test_a_zombie_does_nothing(cast, three) -> None:
    action = ask(cast, wanted=ALL)
    zombie = leases.claim(lambda: BulkAction.objects.order_by("id"), from_state=BulkState.QUEUED, to_state=BulkState.WORKING)
    with scope(cast.acme.pk):
        BulkAction.objects.filter(pk=action.pk).update(token=zombie.token + 1)
    with pytest.raises(leases.LeaseLost):
        bulk._work_off(zombie, leases.Heartbeat(zombie))
    assert states(cast, three) == ["queued"] * 3


def test_a_run_over_which_every_worker_vanished_ends_the_request_and_is_named(cast, three) -> None:
    action = ask(cast, wanted=ALL)
    for _ in range(MAX_LOSSES):
        leases.claim(lambda: BulkAction.objects.order_by("id"), from_state=BulkState.QUEUED, to_state=BulkState.WORKING)
        with scope(cast.acme.pk):
            BulkAction.objects.filter(pk=action.pk).update(lease_until=Now() - timedelta(seconds=1))
        assert sweep_lost_bulk() == 1
    done = look(cast, action)
    assert (done.state, done.done_count, done.failed_count) == ("done", 0, 3)
    assert done.failures[0]["run"] == str(min(run.pk for run in three))
    assert not perform_next_bulk()


def test_a_worker_that_is_told_to_end_hands_it_back(cast, three, monkeypatch) -> None:
    action = ask(cast, wanted=ALL)
    monkeypatch.setattr(stopping, "is_stopping", lambda: True)
    assert perform_next_bulk()
    assert (look(cast, action).state, look(cast, action).position) == ("queued", 0)
    monkeypatch.undo()
    assert perform_next_bulk()
    assert look(cast, action).done_count == 3


def test_a_full_queue_is_waited_for_and_not_for_ever(cast, three, settings, monkeypatch) -> None:
    settings.WORKSPACE_QUEUED_RUNS = 4
    action = ask(cast, BulkKind.RERUN, wanted=ALL)
    assert perform_next_bulk()
    waiting = look(cast, action)
    assert (waiting.state, waiting.position, len(restarts(cast))) == ("queued", 1, 1)
    assert not perform_next_bulk(), "it is not due yet"
    with scope(cast.acme.pk):
        BulkAction.objects.filter(pk=action.pk).update(not_before=None)
    monkeypatch.setattr(bulk, "LONGEST_WAIT", timedelta(0))
    assert perform_next_bulk()
    assert (look(cast, action).done_count, look(cast, action).failed_count) == (1, 2)


def test_request_and_end_are_in_the_audit_trail_beside_each_run(cast, three) -> None:
    ask(cast, wanted=ALL)
    perform_next_bulk()
    with scope(cast.acme.pk):
        told = list(AuditRecord.objects.filter(action__startswith="bulk.").order_by("pk").values_list("action", "details"))
        assert told[0] == ("bulk.cancel_asked", {"count": 3, "filter": {}})
        assert told[1] == ("bulk.done", {"done": 3, "failed": 0})
        assert AuditRecord.objects.filter(action="run.cancel_asked").count() == 3
