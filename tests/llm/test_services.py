"""The models of a workspace: who may add them, what happens to keys, and who is asked."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.llm import services
from apps.llm.addresses import AddressRefused
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.models import ConnectionState, Kind, LanguageModel
from apps.llm.observations import Opening
from apps.llm.scripted_server import ScriptedServer
from apps.llm.types import Message, Reply, Waiting
from apps.vault.models import Secret, SecretVersion
from apps.vault.services import ValueTooShort
from apps.workspaces.services import PermissionMissing

KEY = "sk-very-secret-key"
TASK = Opening("Turn the JSON file into XML.", ({"name": "a.json", "size": 2, "head": "{}"},)).to_message()


@pytest.fixture
def server(settings: Any) -> Iterator[ScriptedServer]:
    with ScriptedServer(key=KEY) as running:
        settings.LLM_ALLOWED_LOCAL_HOSTS = [running.base_url.split("/")[2]]
        yield running


def add(actor: Any, **changes: Any) -> LanguageModel:
    return services.add_model(**{"actor": actor, "name": "Ours", "model": "openai/gpt-4o", "api_key": KEY, **changes})


class TestAddModel:
    def test_keeps_the_key_in_the_vault_and_only_there(self, in_acme: Any, owner: Any) -> None:
        model = add(owner)
        assert model.secret is not None
        assert KEY not in str(vars(LanguageModel.objects.get(pk=model.pk)))
        assert Secret.objects.get().purpose == "model"
        assert KEY not in str(list(AuditRecord.objects.values()))

    def test_is_audited_and_queued_for_its_test(self, in_acme: Any, owner: Any) -> None:
        assert add(owner).state == ConnectionState.QUEUED
        assert AuditRecord.objects.filter(action="model.added", actor_name="owner").count() == 1

    @pytest.mark.parametrize("who", ["viewer", "operator", "developer", "approver"])
    def test_is_for_admins(self, in_acme: Any, cast: SimpleNamespace, who: str) -> None:
        with pytest.raises(PermissionMissing):
            add(getattr(cast, who))

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"name": " "}, services.BadModelName),
            ({"name": "a\u202eb"}, services.BadModelName),
            ({"name": "x" * 101}, services.BadModelName),
            ({"model": ""}, services.BadModelName),
            ({"model": "openai/a b"}, services.BadModelName),
            ({"model": "openai/a\nb"}, services.BadModelName),
            ({"api_key": ""}, services.KeyMissing),
            ({"api_key": "short"}, ValueTooShort),
            ({"base_url": "http://169.254.169.254/"}, AddressRefused),
            ({"base_url": "file:///etc/passwd"}, AddressRefused),
            ({"base_url": "https://me:secret@example.com"}, AddressRefused),
        ],
    )
    def test_bad_input_is_refused_and_nothing_is_stored(
        self, in_acme: Any, owner: Any, changes: dict[str, str], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            add(owner, **changes)
        assert not LanguageModel.objects.exists()
        assert not Secret.objects.exists()

    def test_a_name_is_taken_until_its_model_is_removed(self, in_acme: Any, owner: Any) -> None:
        first = add(owner)
        with pytest.raises(services.ModelNameTaken):
            add(owner)
        services.remove_model(actor=owner, model_id=first.pk)
        assert add(owner).pk != first.pk


class TestDefault:
    def test_there_is_at_most_one(self, in_acme: Any, owner: Any) -> None:
        first = add(owner, name="first", is_default=True)
        second = add(owner, name="second", is_default=True)
        assert services.default_model() == second
        services.choose_default(actor=owner, model_id=first.pk)
        assert services.default_model() == first
        assert list(services.list_models()) == [first, second]

    def test_removing_a_model_destroys_its_key(self, in_acme: Any, owner: Any) -> None:
        services.remove_model(actor=owner, model_id=add(owner).pk)
        assert not Secret.objects.exists()

    def test_removing_it_leaves_none(self, in_acme: Any, owner: Any) -> None:
        services.remove_model(actor=owner, model_id=add(owner, is_default=True).pk)
        assert services.default_model() is None

    def test_is_for_admins(self, in_acme: Any, owner: Any, developer: Any) -> None:
        model = add(owner)
        for action in (services.choose_default, services.remove_model):
            with pytest.raises(PermissionMissing):
                action(actor=developer, model_id=model.pk)


def test_the_address_that_a_key_is_sent_to_never_changes(in_acme: Any, owner: Any) -> None:
    model = add(owner)
    for field, value in {"base_url": "https://elsewhere.example.com", "model": "openai/x", "kind": "person"}.items():
        with pytest.raises(IntegrityError), transaction.atomic():
            LanguageModel.objects.filter(pk=model.pk).update(**{field: value})


def test_the_two_models_without_a_key_are_made_once_and_stay(in_acme: Any, owner: Any) -> None:
    services.ensure_builtin_models(actor=owner)
    services.ensure_builtin_models(actor=owner)
    assert sorted(LanguageModel.objects.values_list("kind", flat=True)) == ["person", "scripted"]
    scripted = LanguageModel.objects.get(kind=Kind.SCRIPTED)
    with pytest.raises(services.BuiltInModel):
        services.remove_model(actor=owner, model_id=scripted.pk)


def test_a_stranger_s_model_does_not_exist_here(cast: SimpleNamespace) -> None:
    with scope(cast.globex.pk):
        theirs = add(cast.stranger)
    with scope(cast.acme.pk):
        for action in (services.choose_default, services.remove_model):
            with pytest.raises(services.NoSuchModel):
                action(actor=cast.owner, model_id=theirs.pk)
        with pytest.raises(services.NoSuchModel):
            services.replace_key(actor=cast.owner, model_id=theirs.pk, api_key="sk-mine-own")


class TestComplete:
    @pytest.fixture
    def cast(self, transactional_cast: SimpleNamespace) -> SimpleNamespace:
        return transactional_cast

    def added(self, cast: SimpleNamespace, **changes: Any) -> LanguageModel:
        with scope(cast.acme.pk):
            return add(cast.owner, **changes)

    def built_in(self, cast: SimpleNamespace, kind: Kind) -> LanguageModel:
        with scope(cast.acme.pk):
            services.ensure_builtin_models(actor=cast.owner)
            return LanguageModel.objects.get(kind=kind)

    def test_is_refused_inside_a_transaction(self, cast: SimpleNamespace) -> None:
        model = self.built_in(cast, Kind.SCRIPTED)
        with scope(cast.acme.pk), pytest.raises(RuntimeError, match="inside a transaction"):
            services.complete(model=model, messages=(TASK,), tools=())

    def test_the_scripted_model_answers_without_a_key(self, cast: SimpleNamespace) -> None:
        reply = services.complete(model=self.built_in(cast, Kind.SCRIPTED), messages=(TASK,), tools=())
        assert isinstance(reply, Reply)
        assert reply.tool_calls[0].name == "create_or_update_tool"

    def test_the_person_answers_later(self, cast: SimpleNamespace) -> None:
        assert isinstance(services.complete(model=self.built_in(cast, Kind.PERSON), messages=(TASK,), tools=()), Waiting)

    def test_sends_the_opened_key_to_the_workspaces_server(self, cast: SimpleNamespace, server: ScriptedServer) -> None:
        model = self.added(cast, model="openai/scripted", base_url=server.base_url)
        reply = services.complete(model=model, messages=(TASK,), tools=())
        assert isinstance(reply, Reply)
        assert reply.tool_calls

    def test_uses_a_replaced_key(self, cast: SimpleNamespace, server: ScriptedServer) -> None:
        model = self.added(cast, model="openai/scripted", base_url=server.base_url, api_key="sk-old-key")
        with pytest.raises(ModelUnavailable) as caught:
            services.complete(model=model, messages=(TASK,), tools=())
        assert caught.value.kind is Failure.WRONG_KEY
        with scope(cast.acme.pk):
            services.replace_key(actor=cast.owner, model_id=model.pk, api_key=KEY)
        assert services.complete(model=model, messages=(TASK,), tools=())

    def test_a_key_that_was_changed_in_the_database_is_told_and_not_sent(self, cast: SimpleNamespace) -> None:
        model = self.added(cast)
        with scope(cast.acme.pk):
            SecretVersion.objects.update(wrapped_key=b"x" * 60)
        with pytest.raises(ModelUnavailable, match="is damaged"):
            services.complete(model=model, messages=(TASK,), tools=())

    def test_a_removed_model_says_so(self, cast: SimpleNamespace) -> None:
        model = self.added(cast)
        with scope(cast.acme.pk):
            services.remove_model(actor=cast.owner, model_id=model.pk)
        with pytest.raises(ModelUnavailable, match="was removed"):
            services.complete(model=model, messages=(Message("user", "x"),), tools=())
