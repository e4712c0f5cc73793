"""The root key, which the database never holds, and the key of each workspace, which it holds wrapped by the root key."""

import base64
import binascii

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from apps.core.errors import Unavailable
from apps.core.ids import uuid7
from apps.core.tenancy import current_workspace_id, every_workspace
from apps.vault.envelope import KEY_BYTES, NotSealedHere, keyed_digest, new_key, place, seal, unseal
from apps.vault.models import WorkspaceKey


class RootKeyUnusable(Unavailable):
    """Not for users: the process must not go on, lest it writes what nobody can read."""

    code = "root_key_unusable"


@sensitive_variables()
def root_key() -> bytes:
    """The key from the environment or its file.

    Raises:
        RootKeyUnusable: it is missing or no base64 of 32 bytes.
    """
    try:
        key = base64.b64decode(settings.VAULT_ROOT_KEY, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise RootKeyUnusable(
            "SELFSMITH_VAULT_ROOT_KEY must be 32 random bytes in base64: set it, or SELFSMITH_VAULT_ROOT_KEY_FILE."
        )
    return key


def root_key_id() -> str:
    """A name for the root key that tells nothing about it."""
    return keyed_digest(root_key(), "selfsmith root key id")[:16]


def verify_root_key() -> int:
    """Prove at start-up that this root key opens what the database holds; returns how many workspace keys it opened.

    The wrapped keys are their own canary: each was sealed by the root key that was in force.

    Raises:
        RootKeyUnusable: the process must stop.
    """
    root_key()
    with every_workspace(reason="proving the root key at start-up"):
        keys = list(WorkspaceKey.objects.order_by("id"))
    for key in keys:
        unwrap(key)
    return len(keys)


@sensitive_variables()
def unwrap(key: WorkspaceKey) -> bytes:
    """The workspace's key itself.

    Raises:
        RootKeyUnusable
    """
    try:
        return unseal(root_key(), bytes(key.wrapped), belongs_to=_place_of(key))
    except NotSealedHere:
        raise RootKeyUnusable(
            "The vault's root key is not the one that this database was written with"
            f" (it holds keys of {key.root_key_id}, this process has {root_key_id()}): restore the key, or the matching database."
        ) from None


@sensitive_variables()
def current_workspace_key() -> tuple[WorkspaceKey, bytes]:
    """The key of the workspace in scope, made when it is first needed.

    Raises:
        RootKeyUnusable
    """
    row = WorkspaceKey(id=uuid7(), workspace_id=current_workspace_id(), number=1, root_key_id=root_key_id())
    row.wrapped = seal(root_key(), new_key(), belongs_to=_place_of(row))
    # Two that are first at once: the constraint lets one in, and both use that one.
    WorkspaceKey.objects.bulk_create([row], ignore_conflicts=True)
    standing = WorkspaceKey.objects.order_by("-number")[0]
    return standing, unwrap(standing)


def _place_of(key: WorkspaceKey) -> bytes:
    return place("selfsmith.workspace-key.1", key.workspace_id, key.pk, key.number)
