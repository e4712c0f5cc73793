"""Tests whether a model answers. A worker does it, because a page holds a transaction and must not wait for a model."""

import logging
import time
from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core import leases
from apps.core.dispatch import MESSAGES_PER_LOOK, wake
from apps.core.notify import publish
from apps.core.retries import MAX_LOSSES, outlived_its_workers
from apps.core.tenancy import scope
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.models import ConnectionState, LanguageModel
from apps.llm.services import TEST_WORK, TOPIC, complete, embed, find_model, usable_models
from apps.llm.types import Message, ToolSpec, Waiting
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

log = logging.getLogger(__name__)
TEST_SECONDS = 30
QUESTION = Message("user", "This is a test of the connection. Call the tool say_ready now, and do nothing else.")
TOOL = ToolSpec("say_ready", "Say that you are ready.", {"type": "object", "properties": {}, "additionalProperties": False})
VECTORS_ALONE = "It gives vectors of texts and does not converse. Agents need another model."
_NO_CHAT = frozenset({Failure.REFUSED, Failure.NO_SUCH_MODEL})  # what a model for vectors alone answers to a question
NO_TOOLS = "It answers, but it did not call the tool that it was offered. Agents need a model that calls tools."


def request_test(*, actor: Membership, model_id: UUID) -> None:
    """Have a worker ask the model one short question. A test that waits or runs already is not doubled.

    Raises:
        PermissionMissing, NoSuchModel
    """
    require(actor, Permission.ADMINISTER)
    model = find_model(model_id=model_id)
    idle = LanguageModel.objects.filter(pk=model.pk).exclude(state__in=(ConnectionState.QUEUED, ConnectionState.RUNNING))
    if idle.update(state=ConnectionState.QUEUED, **leases.SINCE_NOW):
        record(actor=actor, action="model.test_asked", subject=model)
        publish(model.workspace_id, TOPIC)
        wake(TEST_WORK)


def perform_next_test() -> bool:
    """Claim one test and do it; False when none is due."""
    model = leases.claim(usable_models, from_state=ConnectionState.QUEUED, to_state=ConnectionState.RUNNING)
    if model is None:
        return False
    begun = time.monotonic()
    with leases.heartbeat(model):
        state, message = _try(model)
    try:
        with scope(model.workspace_id):
            seconds = time.monotonic() - begun
            leases.leave(model, to_state=state, tested_at=Now(), test_message=message, test_seconds=seconds, losses=0)
            publish(model.workspace_id, TOPIC)
    except leases.LeaseLost:
        log.warning("model_test.lease_lost model=%s", model.pk)
    return True


def _try(model: LanguageModel) -> tuple[ConnectionState, str]:
    try:
        reply = complete(model=model, messages=(QUESTION,), tools=(TOOL,), seconds=TEST_SECONDS)
    except ModelUnavailable as failure:
        if failure.kind in _NO_CHAT and _gives_vectors(model):
            return ConnectionState.OK, VECTORS_ALONE
        return ConnectionState.FAILED, failure.message
    if isinstance(reply, Waiting) or any(call.name == TOOL.name for call in reply.tool_calls):
        return ConnectionState.OK, "It answers and calls tools."
    return ConnectionState.OK, reply.problem or NO_TOOLS


def _gives_vectors(model: LanguageModel) -> bool:
    try:
        embed(model=model, texts=["ready"], seconds=TEST_SECONDS)
    except ModelUnavailable:  # what was said of the question before is what a person needs to know
        return False
    return True


def sweep_lost_tests() -> int:
    """Tests whose worker has vanished go back into the queue, until they have outlived too many."""
    return leases.sweep(lambda: LanguageModel.objects.filter(state=ConnectionState.RUNNING), _recover)


def _recover(model: LanguageModel) -> None:
    changes: dict[str, Any] = {"state": ConnectionState.QUEUED, "losses": F("losses") + 1}
    if outlived_its_workers(model):
        message = f"The worker vanished {MAX_LOSSES} times while it tested this model; its log says why."
        changes = {"state": ConnectionState.FAILED, "tested_at": Now(), "test_message": message, "losses": 0}
    rows = LanguageModel.objects.filter(pk=model.pk)
    rows.update(token=F("token") + 1, leased_by="", lease_until=None, **leases.SINCE_NOW, **changes)
    publish(model.workspace_id, TOPIC)


def count_due_tests() -> int:
    return leases.count_due(usable_models, ConnectionState.QUEUED, most=MESSAGES_PER_LOOK)
