"""One row of every noun in a workspace, made without workers, boxes or models; and clients that are signed in."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from apps.agents.models import Step, StepState, Task, TaskState, WaitsFor
from apps.approvals.services import open_request
from apps.core.canonical import digest_of
from apps.core.tenancy import scope
from apps.functions.folders import make_folder
from apps.functions.models import Function, FunctionVersion
from apps.llm.models import ConnectionState, Kind, LanguageModel
from apps.llm.types import Message
from apps.packages.models import PackageSet
from apps.packages.states import PackageState
from apps.packs.models import BroughtFunction, Pack, Release
from apps.packs.states import ReleaseState
from apps.runs.bulk import request_bulk
from apps.runs.bulk_actions import BulkKind
from apps.runs.models import LogChunk, Run
from apps.runs.services import store_upload
from apps.runs.states import RunState
from apps.store.services import write_document
from apps.triggers.events import record_event
from apps.triggers.models import Event, Rule
from apps.triggers.schedules import create_schedule
from apps.triggers.webhooks.drafts import WebhookDraft
from apps.triggers.webhooks.services import create_webhook
from apps.vault.services import set_secret
from apps.workspaces.groups import make_group
from apps.workspaces.models import ApiToken, Membership
from apps.workspaces.services import create_token

SOURCE = "def shout(text: str, times: int = 2) -> str:\n    return text.upper() * times\n"
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "times": {"type": "integer", "default": 2}},
    "required": ["text"],
    "additionalProperties": False,
    "x-order": ["text", "times"],
}
EVIDENCE = {
    "checked_at": "2026-01-02T03:04:05+00:00", "index": "https://pypi.org/simple", "python": "3.13", "platform": "linux",
    "size": 10, "unpacked_size": 20, "distributions": [], "warning_count": 0,
}  # fmt: skip


def make_function(member: Membership, name: str = "shout", **fields: Any) -> FunctionVersion:
    function = Function.objects.create(name=name, description="Says it loudly.", created_by=member)
    version = FunctionVersion(
        function=function, number=1, source=SOURCE, entry="shout", input_schema=SCHEMA, output_schema={},
        retry_class="on_lost", author=member.user, author_name=str(member), activated_at=Now(), **{"origin": "person", **fields},
    )  # fmt: skip
    version.digest = version.compute_digest()
    version.save()
    function.active_version = version
    function.save()
    return version


def make_run(member: Membership, version: FunctionVersion, **fields: Any) -> Run:
    run = Run.objects.create(
        **{"state": RunState.QUEUED, "function": version.function, "version": version, "asked_by": member, **fields}
    )
    LogChunk.objects.create(run=run, attempt=1, seq=1, stream="stdout", at=Now(), text=f"said in {run.short_id}\n")
    return run


def make_model(**fields: Any) -> LanguageModel:
    return LanguageModel.objects.create(
        **{"name": "Big", "kind": Kind.LITELLM, "model": "openai/big", "state": ConnectionState.OK, **fields}
    )


def make_task(member: Membership, model: LanguageModel, **fields: Any) -> Task:
    opening = Message("user", "Do it.").to_json()
    given = {"state": TaskState.QUEUED, "title": "Make a page", "prompt": "Do it.", "opening": opening, "started_by": member}
    return Task.objects.create(**{**given, "model": model, **fields})


def make_package_set(member: Membership, name: str = "markdown") -> PackageSet:
    """One that waits for a person, with its request."""
    subject = {"requirements": [name], "evidence_digest": digest_of(EVIDENCE)}
    request = open_request(
        kind="packages", subject=subject, asked_by=member, prompted_by=None, authors=[], reason="To make pages."
    )
    return PackageSet.objects.create(
        state=PackageState.AWAITING_APPROVAL, requirements=[name], requirements_digest=digest_of([name]), reason="To make pages.",
        asked_by=member, evidence=EVIDENCE, lock_digest="a" * 64, request=request,
    )  # fmt: skip


def make_rule(member: Membership, target: Function, name: str = "Shout it", **fields: Any) -> Rule:
    given = {"event_type": "order.paid", "arguments": {"text": "event.data.text"}, "owner": member}
    return Rule.objects.create(name=name, target=target, **{**given, **fields})


def make_event(**fields: Any) -> Event:
    """One that any rule for its type is told of."""
    return record_event(**{"type": "order.paid", "source": "/tests", "data": {"text": "hello"}, **fields})


def make_pack(member: Membership, name: str = "greetings") -> Pack:
    """One that is installed, with one function of its own."""
    version = make_function(member, f"greet_{name}")
    entry = {"name": version.function.name, "file": "greet.py", "line": 1, "change": "new", "number": 1, "before": None}
    release = Release.objects.create(
        pack=Pack.objects.create(name=name), number=1, version="1.0", source_digest="a" * 64, state=ReleaseState.INSTALLED,
        brings={"functions": [entry], "rules": [], "gone": []}, asked_by=member, installed_at=Now(),
    )  # fmt: skip
    BroughtFunction.objects.create(release=release, version=version, is_own=True)
    return release.pack


def make_things(member: Membership) -> SimpleNamespace:
    """One of everything, made by `member`, who may do anything that takes; inside the member's workspace's scope."""
    version, model = make_function(member), make_model()
    person = make_model(name="A person", kind=Kind.PERSON, model="")
    run, package_set = make_run(member, version), make_package_set(member)
    task = make_task(member, person, state=TaskState.WAITING, waits_for=WaitsFor.TURN)
    Step.objects.create(task=task, number=1, state=StepState.THINKING, model_calls=1)
    file = store_upload(actor=member, name="notes.txt", chunks=[b"hello"])
    secret = set_secret(actor=member, name="TOKEN", value="s3cret-value", purpose="function")
    rule, event = make_rule(member, version.function), make_event()
    schedule = create_schedule(actor=member, name="every_morning", cron="0 9 * * *", now=timezone.now())
    folder = make_folder(actor=member, path="billing")
    group = make_group(actor=member, name="shout", members=[member])
    webhook, _ = create_webhook(actor=member, draft=WebhookDraft(name="orders"))
    create_token(actor=member, name="A script", lifetime=None)
    token = ApiToken.objects.get(membership=member)
    pack = make_pack(member)
    document = write_document(actor=member, collection="visits", key="home", value={"n": 1})
    bulk = request_bulk(actor=member, kind=BulkKind.CANCEL, run_ids=[run.pk])
    return SimpleNamespace(
        function=version.function, version=version, run=run, bulk=bulk, task=task, artifact=file, package_set=package_set,
        request=package_set.request, secret=secret, model=model, member=member, token=token,
        rule=rule, event=event, schedule=schedule, webhook=webhook, folder=folder, group=group,
        pack=pack, document=document, collection=document.collection,
    )  # fmt: skip


def ids_of(things: SimpleNamespace) -> dict[str, Any]:
    """By the names of the parts of addresses."""
    return {f"{name}_id": row.pk for name, row in vars(things).items()}


@pytest.fixture(autouse=True)
def home(tmp_path, settings, monkeypatch) -> Path:
    """A home of the test's own, and no broker: whether workers answer is asked of processes, which no page test starts."""
    settings.HOME = tmp_path
    monkeypatch.setattr("apps.dashboard.health._ask_workers", list)
    return tmp_path


@pytest.fixture
def things(cast: SimpleNamespace) -> SimpleNamespace:
    """acme's, made by its developer; the secret by its admin."""
    with scope(cast.acme.pk):
        cast.developer.role, role = "admin", cast.developer.role
        made = make_things(cast.developer)
        cast.developer.role = role
    return made


@pytest.fixture
def foreign(cast: SimpleNamespace) -> SimpleNamespace:
    """globex's, made by its owner."""
    with scope(cast.globex.pk):
        return make_things(cast.stranger)


@pytest.fixture
def sign_in() -> Callable[[Membership], Client]:
    def signed_in(member: Membership) -> Client:
        client = Client()
        client.force_login(member.user)
        return client

    return signed_in
