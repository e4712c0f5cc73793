"""What waited when a backup was made may have been executed since."""

from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import RetryClass
from apps.runs.after_restore import end_what_may_have_happened
from apps.runs.bulk import find_bulk_action, request_bulk
from apps.runs.bulk_actions import BulkAction, BulkKind
from apps.runs.models import SealedArguments
from tests.runs.conftest import begin, change, see, write

PAY = "def pay(amount: int) -> int:\n    return amount\n"
NEVER = Settings(retry_class=RetryClass.NEVER, logging={"store_arguments": False})


@pytest.fixture
def payment(cast):
    return begin(cast, write(cast, PAY, settings=NEVER), amount=3)


def test_a_waiting_run_that_must_not_be_done_twice_ends_with_what_to_do_and_others_go_on(cast, payment) -> None:
    unread = begin(cast, payment.version, amount=4)
    change(cast, unread, state="awaiting_approval")
    other = begin(cast, write(cast, PAY.replace("pay", "look")), amount=3)
    under_way = begin(cast, payment.version, amount=5)
    change(cast, under_way, state="running")
    assert end_what_may_have_happened() == 2
    ended = see(cast, payment)
    assert (ended.state, see(cast, unread).state) == ("cancelled", "cancelled")
    assert ended.finished_at is not None
    assert "start it again if it did not happen" in ended.message
    assert (see(cast, other).state, see(cast, under_way).state) == ("queued", "running")
    with scope(cast.acme.pk):
        assert AuditRecord.objects.filter(action="run.cancelled", subject_id=str(payment.pk)).exists()
        assert not SealedArguments.objects.filter(run=payment).exists()
    assert end_what_may_have_happened() == 0


def test_the_command_does_it_before_it_says_that_it_is_done(cast, payment, monkeypatch) -> None:
    manifest = SimpleNamespace(made_at="2026-01-31", version="1", files=0, root_keys=[])
    monkeypatch.setattr("apps.monitoring.management.commands.restore.restore_backup", lambda folder, say: manifest)
    said = StringIO()
    call_command("restore", "/nowhere", stdout=said)
    assert see(cast, payment).state == "cancelled"
    assert "1 runs that waited" in said.getvalue()


def test_runs_that_were_to_be_run_again_are_not_and_the_request_says_from_which_on(cast) -> None:
    runs = [begin(cast, write(cast, PAY), amount=3), begin(cast, write(cast, PAY.replace("pay", "owe")), amount=3)]
    with scope(cast.acme.pk):
        again = request_bulk(actor=cast.developer, kind=BulkKind.RERUN, run_ids=[run.pk for run in runs])
        stop = request_bulk(actor=cast.developer, kind=BulkKind.CANCEL, run_ids=[runs[0].pk])
        BulkAction.objects.filter(pk=again.pk).update(position=1)
    assert end_what_may_have_happened() == 0
    with scope(cast.acme.pk):
        ended = find_bulk_action(again.pk)
        assert (ended.state, ended.done_count, ended.failed_count) == ("done", 1, 1)
        assert ended.failures[0]["run"] == str(runs[1].pk)
        assert "ask again for those that were not" in ended.failures[0]["message"]
        assert find_bulk_action(stop.pk).state == "queued"
