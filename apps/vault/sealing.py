"""Seals what other apps must keep for a while and show to nobody: under a key of its own, wrapped by the workspace's."""

from dataclasses import dataclass
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

from apps.core.tenancy import current_workspace_id
from apps.vault.envelope import keyed_digest, new_key, place, seal, unseal
from apps.vault.keys import current_workspace_key, unwrap
from apps.vault.models import WorkspaceKey


@dataclass(frozen=True)
class Sealed:
    """Opens only with the same `purpose` and `owner`, in the same workspace."""

    key: WorkspaceKey
    sealed_key: bytes
    content: bytes


@sensitive_variables()
def seal_content(content: bytes, *, purpose: str, owner: UUID) -> Sealed:
    """Raises: RootKeyUnusable."""
    workspace_key, unwrapped = current_workspace_key()
    key, where = new_key(), _where(purpose, owner)
    return Sealed(workspace_key, seal(unwrapped, key, belongs_to=where), seal(key, content, belongs_to=where))


@sensitive_variables()
def unseal_content(sealed: Sealed, *, purpose: str, owner: UUID) -> bytes:
    """Raises: RootKeyUnusable, envelope.NotSealedHere."""
    where = _where(purpose, owner)
    key = unseal(unwrap(sealed.key), sealed.sealed_key, belongs_to=where)
    return unseal(key, sealed.content, belongs_to=where)


@sensitive_variables()
def digest_of_sealed(content: str, *, purpose: str) -> str:
    """Tells equal from different to nobody without the workspace's key: what is short cannot be guessed from it."""
    _, unwrapped = current_workspace_key()
    return keyed_digest(unwrapped, "selfsmith.content.1", purpose, current_workspace_id(), content)


def _where(purpose: str, owner: UUID) -> bytes:
    return place("selfsmith.content.1", purpose, current_workspace_id(), owner)
