"""Add, choose and remove models, and ask one. The only place that opens a model's key."""

import logging
import re
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.dispatch import wake
from apps.core.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from apps.core.notify import publish
from apps.core.tenancy import scope
from apps.llm.adapters import adapter_of
from apps.llm.addresses import check_base_url
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.models import ConnectionState, Kind, LanguageModel
from apps.llm.types import Embeddings, Message, ModelConfig, Reply, ToolSpec, Waiting
from apps.vault.envelope import NotSealedHere
from apps.vault.models import Purpose, Secret
from apps.vault.services import delete_secret, open_secret, set_secret
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

log = logging.getLogger(__name__)
PURPOSE = Purpose.MODEL
TOPIC = "models"
TEST_WORK = "llm.tests"
BUILT_IN = {Kind.SCRIPTED: "Prepared replies", Kind.PERSON: "A person"}
_MODEL_NAME = re.compile(r"[\w./:@+-]{1,200}", re.ASCII)


class NoSuchModel(NotFound):
    code = "no_such_model"


class BadModelName(Invalid):
    code = "bad_model_name"


class KeyMissing(Invalid):
    code = "model_key_missing"


class ModelNameTaken(Conflict):
    code = "model_name_taken"


class BuiltInModel(Forbidden):
    code = "built_in_model"


def usable_models() -> QuerySet[LanguageModel]:
    """The models of the workspace that were not removed."""
    return LanguageModel.objects.filter(removed_at=None)


def list_models() -> QuerySet[LanguageModel]:
    """The same with their secrets, the default first, then by name."""
    return usable_models().select_related("secret").order_by("-is_default", "name")


def find_model(*, model_id: UUID) -> LanguageModel:
    """Raises: NoSuchModel"""
    model = list_models().filter(pk=model_id).first()
    if model is None:
        raise NoSuchModel("There is no such model here.")
    return model


def default_model() -> LanguageModel | None:
    """The model that a task gets when nobody chooses; None where the workspace has chosen none."""
    return usable_models().filter(is_default=True).first()


def ensure_builtin_models(*, actor: Membership) -> None:
    """The two models that need no key. Again and again: only what is missing is added."""
    for kind, name in BUILT_IN.items():
        model, is_new = LanguageModel.objects.get_or_create(
            kind=kind, removed_at=None, defaults={"name": name, "state": ConnectionState.UNTESTED}
        )
        if is_new:
            record(actor=actor, action="model.added", subject=model, kind=kind)


def add_model(
    *, actor: Membership, name: str, model: str, base_url: str = "", api_key: str = "", is_default: bool = False
) -> LanguageModel:
    """Make a model known, keep its key in the vault, and have its connection tested.

    `model` is any name that litellm knows; with `base_url`, the name that the server there gives it.

    Raises:
        PermissionMissing, BadModelName, ModelNameTaken, KeyMissing, AddressRefused; those of vault.set_secret
    """
    require(actor, Permission.ADMINISTER)
    name, model, base_url, api_key = name.strip(), model.strip(), base_url.strip(), api_key.strip()
    _check_names(name, model)
    if base_url:
        check_base_url(base_url, allowed=_allowed_local_hosts())
    elif not api_key and not _allowed_providers():
        raise KeyMissing("A hosted model needs its provider's key. Give the key, or the address of a server of your own.")
    added = LanguageModel(
        name=name, kind=Kind.LITELLM, model=model, base_url=base_url, state=ConnectionState.QUEUED
    )  # fmt: skip
    added.secret = _keep_key(actor, added, api_key) if api_key else None
    added.save()
    record(actor=actor, action="model.added", subject=added, kind=added.kind, model=model, base_url=base_url)
    if is_default:
        choose_default(actor=actor, model_id=added.pk)
        added.is_default = True
    wake(TEST_WORK)
    return added


def replace_key(*, actor: Membership, model_id: UUID, api_key: str) -> None:
    """Give a model another key. Its address cannot be changed, so no key ever goes elsewhere than it was meant for.

    Raises:
        PermissionMissing, NoSuchModel, KeyMissing; those of vault.set_secret
    """
    require(actor, Permission.ADMINISTER)
    model = find_model(model_id=model_id)
    if model.secret is None or not api_key.strip():
        raise KeyMissing("Give the new key; a model that was added without one stays without.")
    _keep_key(actor, model, api_key.strip())
    record(actor=actor, action="model.key_replaced", subject=model)


def choose_default(*, actor: Membership, model_id: UUID) -> None:
    """Raises: PermissionMissing, NoSuchModel"""
    require(actor, Permission.ADMINISTER)
    # Both at once would break the unique constraint, and two choosers at a time wait for each other here.
    list(usable_models().select_for_update().order_by("pk").values_list("pk"))
    model = find_model(model_id=model_id)
    LanguageModel.objects.filter(is_default=True).exclude(pk=model.pk).update(is_default=False)
    LanguageModel.objects.filter(pk=model.pk).update(is_default=True)
    record(actor=actor, action="model.made_default", subject=model)
    publish(model.workspace_id, TOPIC)


def remove_model(*, actor: Membership, model_id: UUID) -> None:
    """Take a model out of use at once and destroy its key: tasks that think with it end at their next step, and say so.

    Raises:
        PermissionMissing, NoSuchModel, BuiltInModel
    """
    require(actor, Permission.ADMINISTER)
    model = find_model(model_id=model_id)
    if model.kind in BUILT_IN:
        raise BuiltInModel("This model comes with Selfsmith and cannot be removed.")
    LanguageModel.objects.filter(pk=model.pk).update(is_default=False, removed_at=Now(), secret=None)
    if model.secret is not None:
        delete_secret(actor=actor, secret_id=model.secret.pk)
    record(actor=actor, action="model.removed", subject=model)
    publish(model.workspace_id, TOPIC)


def complete(
    *,
    model: LanguageModel,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    seconds: float = 120,
    max_output_tokens: int | None = None,
) -> Reply | Waiting:
    """Ask a model once, for at most `seconds`. Outside any scope: a transaction must not wait for a model.

    Raises:
        ModelUnavailable
        RuntimeError: a transaction is open, which is a bug of the caller.
    """
    config = _configure(model, seconds, max_output_tokens)
    return adapter_of(config.kind).complete(config, tuple(messages), tuple(tools))


def embed(*, model: LanguageModel, texts: Sequence[str], seconds: float = 120) -> Embeddings:
    """The vectors of texts, one for each, asked for once and outside any scope.

    Raises: as complete
    """
    config = _configure(model, seconds)
    return adapter_of(config.kind).embed(config, tuple(texts))


def _configure(model: LanguageModel, seconds: float, max_output_tokens: int | None = None) -> ModelConfig:
    """The row as it is now, since a task may run for days, and its opened key."""
    if connection.in_atomic_block:
        raise RuntimeError("A model must not be asked inside a transaction.")
    with scope(model.workspace_id):
        row = usable_models().select_related("secret").filter(pk=model.pk).first()
        if row is None:
            raise ModelUnavailable(Failure.NO_SUCH_MODEL, f"The model {model.name} was removed from this workspace.")
        return ModelConfig(
            kind=row.kind,
            model=row.model,
            base_url=row.base_url,
            api_key=_open_key(row),
            timeout_seconds=seconds,
            max_output_tokens=max_output_tokens,
            allowed_local_hosts=_allowed_local_hosts(),
            allowed_providers=_allowed_providers(),
        )


def _open_key(model: LanguageModel) -> str:
    if model.secret is None:
        return ""
    try:
        return open_secret(name=model.secret.name, purpose=PURPOSE, reader=f"model {model.name}")
    except DomainError as error:
        raise ModelUnavailable(Failure.WRONG_KEY, f"The key of {model.name} cannot be opened. {error.message}") from error
    except NotSealedHere as error:
        log.error("model_key.not_sealed_here model=%s", model.pk)  # somebody changed rows behind the platform's back
        raise ModelUnavailable(Failure.WRONG_KEY, f"The stored key of {model.name} is damaged. Give it again.") from error


def _check_names(name: str, model: str) -> None:
    if not name or len(name) > 100 or not name.isprintable():
        raise BadModelName("Give the model a name of at most 100 characters.")
    if not _MODEL_NAME.fullmatch(model):
        raise BadModelName("A model is named as litellm names it, such as openai/gpt-4o or ollama_chat/qwen3.")
    if usable_models().filter(name=name).exists():
        raise ModelNameTaken(f"There is a model {name} here already.")


def _keep_key(actor: Membership, model: LanguageModel, api_key: str) -> Secret:
    """The secret's name is made from the row's id: names that people choose change, clash and hold odd characters."""
    return set_secret(actor=actor, name=f"MODEL_{model.pk.hex.upper()}", value=api_key, purpose=PURPOSE)


def _allowed_local_hosts() -> frozenset[str]:
    return frozenset(host.lower() for host in settings.LLM_ALLOWED_LOCAL_HOSTS)


def _allowed_providers() -> frozenset[str]:
    return frozenset(settings.LLM_PROVIDERS)
