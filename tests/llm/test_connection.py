"""The test of a connection, as a worker does it."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from apps.core.tenancy import scope
from apps.llm import connection, services
from apps.llm.models import ConnectionState, LanguageModel
from apps.llm.scripted_server import ScriptedServer, _Exchange
from apps.workspaces.services import PermissionMissing

KEY = "sk-very-secret-key"


@pytest.fixture
def server(settings: Any) -> Iterator[ScriptedServer]:
    with ScriptedServer(key=KEY) as running:
        settings.LLM_ALLOWED_LOCAL_HOSTS = [running.base_url.split("/")[2]]
        yield running


@pytest.fixture
def model(transactional_cast: SimpleNamespace, server: ScriptedServer) -> LanguageModel:
    with scope(transactional_cast.acme.pk):
        return services.add_model(
            actor=transactional_cast.owner, name="Ours", model="openai/scripted", base_url=server.base_url, api_key=KEY
        )


def now(model: LanguageModel) -> LanguageModel:
    with scope(model.workspace_id):
        return LanguageModel.objects.get(pk=model.pk)


def test_a_model_that_is_added_is_tested_without_being_asked_for(model: LanguageModel) -> None:
    assert connection.count_due_tests() == 1
    assert connection.perform_next_test()
    assert now(model).state == ConnectionState.OK
    assert now(model).test_message == "It answers and calls tools."
    assert now(model).tested_at is not None
    assert not connection.perform_next_test()


def test_a_failure_is_kept_in_words(model: LanguageModel, server: ScriptedServer) -> None:
    server.faults.append("wrong_key")
    connection.perform_next_test()
    assert now(model).state == ConnectionState.FAILED
    assert now(model).test_message.startswith("The provider does not accept this key.")
    assert KEY not in now(model).test_message


def test_a_model_that_gives_vectors_alone_is_told_apart(model: LanguageModel, monkeypatch: Any) -> None:
    monkeypatch.setattr(_Exchange, "send_completion", lambda self, message: self.send_error_json(404, "This is no chat model."))
    connection.perform_next_test()
    assert (now(model).state, now(model).test_message) == (ConnectionState.OK, connection.VECTORS_ALONE)


def test_a_model_that_calls_no_tools_is_told_apart(model: LanguageModel, server: ScriptedServer) -> None:
    server.scripts = server.scripts[1:]
    connection.perform_next_test()
    assert now(model).test_message == connection.NO_TOOLS


def test_asking_twice_tests_once(model: LanguageModel, transactional_cast: SimpleNamespace, server: ScriptedServer) -> None:
    with scope(model.workspace_id):
        connection.request_test(actor=transactional_cast.owner, model_id=model.pk)
        connection.request_test(actor=transactional_cast.owner, model_id=model.pk)
    while connection.perform_next_test():
        pass
    assert len(server.requests) == 1


def test_asking_is_for_admins(model: LanguageModel, transactional_cast: SimpleNamespace) -> None:
    with scope(model.workspace_id), pytest.raises(PermissionMissing):
        connection.request_test(actor=transactional_cast.developer, model_id=model.pk)


def test_a_test_whose_worker_vanished_is_done_again(model: LanguageModel) -> None:
    with scope(model.workspace_id):
        gone = {"state": ConnectionState.RUNNING, "lease_until": timezone.now() - timedelta(seconds=1)}
        LanguageModel.objects.filter(pk=model.pk).update(**gone)
    assert connection.sweep_lost_tests() == 1
    assert connection.perform_next_test()
    assert now(model).state == ConnectionState.OK


def test_a_removed_model_is_not_tested(model: LanguageModel, transactional_cast: SimpleNamespace) -> None:
    with scope(model.workspace_id):
        services.remove_model(actor=transactional_cast.owner, model_id=model.pk)
    assert not connection.perform_next_test()
