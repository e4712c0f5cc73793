"""Where a run's arguments are kept: on its row, or sealed until it ends when its function says that they are not stored."""

import json
from typing import Any

from apps.core.canonical import digest_of
from apps.functions.models import FunctionVersion
from apps.runs.log_policy import LogPolicy
from apps.runs.models import Run, SealedArguments
from apps.vault.sealing import Sealed, digest_of_sealed, seal_content, unseal_content

_PURPOSE = "run arguments"


def are_stored(version: FunctionVersion) -> bool:
    """Whether runs of this version keep their arguments on their row."""
    return bool(version.logging.get("store_arguments", True))


def request_digest_of(version: FunctionVersion, request: list[Any]) -> str:
    """Tells one request from another; of arguments that are not stored, to nobody without the workspace's key.

    Raises: vault.keys.RootKeyUnusable.
    """
    digest = digest_of(request)
    return digest if are_stored(version) else digest_of_sealed(digest, purpose="run request")


def keep_sealed(run: Run, arguments: dict[str, Any]) -> None:
    """Beside a run whose own row has none, because its function stores none.

    Raises: vault.keys.RootKeyUnusable.
    """
    sealed = seal_content(json.dumps(arguments).encode(), purpose=_PURPOSE, owner=run.pk)
    SealedArguments.objects.create(run=run, key=sealed.key, sealed_key=sealed.sealed_key, sealed=sealed.content)


def arguments_of(run: Run) -> dict[str, Any]:
    """What the box gets, in the run's scope. Raises: vault.keys.RootKeyUnusable."""
    if LogPolicy.of(run.logging, run.pk).stores_arguments:
        kept: dict[str, Any] = run.arguments
        return kept
    row = SealedArguments.objects.select_related("key").get(run=run)
    sealed = Sealed(row.key, bytes(row.sealed_key), bytes(row.sealed))
    opened: dict[str, Any] = json.loads(unseal_content(sealed, purpose=_PURPOSE, owner=run.pk))
    return opened


def drop_sealed(*, run_id: Any, **_: Any) -> None:
    """The run has ended: whatever became of it, its arguments are gone."""
    SealedArguments.objects.filter(run_id=run_id).delete()
