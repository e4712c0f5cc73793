"""Set, rotate, delete and open secrets. Values go in and come out here alone, and every use is recorded."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from apps.accounts.models import User
from apps.audit.services import record
from apps.core.errors import Conflict, Invalid, NotFound, TooLarge
from apps.vault.envelope import keyed_digest, new_key, place, seal, unseal
from apps.vault.keys import current_workspace_key, unwrap
from apps.vault.models import Purpose, Secret, SecretVersion
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import PermissionMissing, require

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
SHORTEST_VALUE = 8  # characters; see vault.patterns, which finds values by their first 8 bytes
LONGEST_VALUE = 64 * 1024  # bytes: a bundle of certificates fits


class BadSecretName(Invalid):
    code = "bad_secret_name"


class ValueTooShort(Invalid):
    code = "secret_too_short"


class ValueTooLong(TooLarge):
    code = "secret_too_long"


class BadSecretValue(Invalid):
    code = "bad_secret_value"


class UnknownPurpose(Invalid):
    code = "unknown_purpose"


class NoSuchSecret(NotFound):
    code = "no_such_secret"


class SecretInUse(Conflict):
    code = "secret_in_use"


@dataclass(frozen=True)
class Operator:
    """Whoever runs the installation, acting from the admin pages; a member of no workspace."""

    user: User
    is_token = False
    token_name = ""

    @property
    def pk(self) -> UUID:
        return self.user.pk

    def __str__(self) -> str:
        return f"{self.user} (operator)"


@sensitive_variables("value")
def set_secret(*, actor: Membership | Operator, name: str, value: str, purpose: str = Purpose.FUNCTION) -> Secret:
    """Store a value under a name, in the place of the one before. It cannot be read back.

    Raises:
        PermissionMissing, BadSecretName, UnknownPurpose, ValueTooShort, ValueTooLong, BadSecretValue, keys.RootKeyUnusable
    """
    _require_right(actor)
    if purpose not in list(Purpose):
        raise UnknownPurpose(f"A secret is for {' or for '.join(Purpose)}, not for {purpose!r}.")
    check_name(name)
    check_value(value)
    # Two who set the same name at once: the constraint lets one row in, and the lock orders their values.
    Secret.objects.bulk_create([Secret(name=name, purpose=purpose)], ignore_conflicts=True)
    secret = Secret.objects.select_for_update().get(name=name, purpose=purpose)
    return _write_version(actor, secret, value)


@sensitive_variables("value")
def rotate_secret(*, actor: Membership | Operator, secret_id: UUID, value: str) -> Secret:
    """Replace the value. Runs that have the old one keep it; the stored one is destroyed.

    Raises:
        PermissionMissing, NoSuchSecret, ValueTooShort, ValueTooLong, BadSecretValue, keys.RootKeyUnusable
    """
    _require_right(actor)
    check_value(value)
    return _write_version(actor, _locked(secret_id), value)


def delete_secret(*, actor: Membership | Operator, secret_id: UUID) -> None:
    """Destroy a secret with its value.

    Raises:
        PermissionMissing, NoSuchSecret, SecretInUse
    """
    _require_right(actor)
    secret = _locked(secret_id)
    record(actor=actor, action="secret.deleted", subject=secret, purpose=secret.purpose, version=secret.current_version)
    try:
        secret.delete()
    except models.ProtectedError as error:
        users = ", ".join(sorted(str(row) for row in error.protected_objects))
        raise SecretInUse(f"{secret} is used by {users}: give that another secret first.") from error


def list_secrets(*, actor: Membership, purpose: str = "") -> models.QuerySet[Secret]:
    """Names and what may be known about them, by name.

    Raises:
        PermissionMissing
    """
    require(actor, Permission.VIEW)
    rows = Secret.objects.order_by("name", "purpose")
    return rows.filter(purpose=purpose) if purpose else rows


@sensitive_variables()
def open_secret(*, name: str, purpose: str, reader: str) -> str:
    """The value, for a run that was granted it or for a call of a model. `reader` says for whom, in the audit trail.

    The caller has checked that the reader may: this function knows neither grants nor runs.

    Raises:
        NoSuchSecret, keys.RootKeyUnusable
        envelope.NotSealedHere: somebody moved or changed the row in the database.
    """
    return _open(SecretVersion.objects.filter(secret__name=name, secret__purpose=purpose), name, purpose, reader)


@sensitive_variables()
def open_for_run(*, secret_id: UUID, name: str, reader: str) -> str:
    """The value of a function's secret, by the id that people granted: one of the same name made since is another.

    The caller has checked the grant, and that it still holds the run.

    Raises:
        NoSuchSecret, keys.RootKeyUnusable, envelope.NotSealedHere
    """
    rows = SecretVersion.objects.filter(secret=secret_id, secret__name=name, secret__purpose=Purpose.FUNCTION)
    return _open(rows, name, Purpose.FUNCTION, reader)


def function_secrets(names: Iterable[str]) -> dict[str, UUID]:
    """The ids of those of these secrets that there are, for functions."""
    return dict(Secret.objects.filter(name__in=list(names), purpose=Purpose.FUNCTION).values_list("name", "pk"))


def secret_names() -> list[str]:
    """The names of all secrets for functions, for an agent that may ask for them."""
    return list(Secret.objects.filter(purpose=Purpose.FUNCTION).order_by("name").values_list("name", flat=True))


@sensitive_variables("key")
def _open(rows: models.QuerySet[SecretVersion], name: str, purpose: str, reader: str) -> str:
    current = rows.select_related("secret", "workspace_key").filter(number=models.F("secret__current_version"))
    version = current.first()
    if version is None:
        raise NoSuchSecret(f"There is no secret {name} for {purpose}s here: an admin can add it.", name=name)
    key = unseal(unwrap(version.workspace_key), bytes(version.wrapped_key), belongs_to=_place_of_key(version))
    Secret.objects.filter(pk=version.secret_id).update(last_used_at=Now())
    record(actor=None, action="secret.opened", subject=version.secret, purpose=purpose, version=version.number, reader=reader)
    return unseal(key, bytes(version.sealed), belongs_to=_place_of_value(version)).decode()


def check_name(name: str) -> None:
    """Let only a name through that programs can use as a variable's.

    Raises:
        BadSecretName
    """
    if not NAME.fullmatch(name):
        raise BadSecretName(
            "Name a secret as programs name variables: letters, digits and _, no digit first, at most 64.", name=name
        )


@sensitive_variables()
def check_value(value: str) -> None:
    """Let only a value through that can be kept, given to programs and masked.

    Raises:
        ValueTooShort, ValueTooLong, BadSecretValue
    """
    if len(value.strip()) < SHORTEST_VALUE:
        raise ValueTooShort(
            f"A secret has at least {SHORTEST_VALUE} characters. Shorter ones could not be masked in logs and results"
            " without blotting out ordinary words too."
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadSecretValue("The value is no text that can be stored: it holds half of a character.") from None
    if size > LONGEST_VALUE:
        raise ValueTooLong(f"A secret has at most {LONGEST_VALUE // 1024} KiB.", limit=LONGEST_VALUE)
    if "\0" in value:
        raise BadSecretValue("The value holds a NUL character, which no program can be given.")


def _require_right(actor: Membership | Operator) -> None:
    if isinstance(actor, Membership):
        require(actor, Permission.ADMINISTER)
    elif not actor.user.is_staff:
        raise PermissionMissing("Only an operator of the installation can do this.")


def _locked(secret_id: UUID) -> Secret:
    secret = Secret.objects.select_for_update().filter(pk=secret_id).first()
    if secret is None:
        raise NoSuchSecret("There is no such secret here.")
    return secret


@sensitive_variables()
def _write_version(actor: Membership | Operator, secret: Secret, value: str) -> Secret:
    """Seal the value under a key that is used for nothing else, and forget the version before."""
    workspace_key, unwrapped = current_workspace_key()
    version = SecretVersion(secret=secret, number=secret.current_version + 1, workspace_key=workspace_key, set_by=actor.user)
    version.claim_workspace()
    key = new_key()
    version.wrapped_key = seal(unwrapped, key, belongs_to=_place_of_key(version))
    version.sealed = seal(key, value.encode(), belongs_to=_place_of_value(version))
    secret.versions.all().delete()
    version.save()
    secret.current_version = version.number
    secret.fingerprint = keyed_digest(unwrapped, "selfsmith.fingerprint.1", secret.pk, value)[:12]
    secret.rotated_at = Now()
    secret.save()
    secret.refresh_from_db()
    action = "secret.set" if version.number == 1 else "secret.rotated"
    record(actor=actor, action=action, subject=secret, purpose=secret.purpose, version=version.number)
    return secret


def _place_of_key(version: SecretVersion) -> bytes:
    where = (version.workspace_id, version.workspace_key_id, version.secret_id, version.number)
    return place("selfsmith.data-key.1", *where)


def _place_of_value(version: SecretVersion) -> bytes:
    secret = version.secret
    return place("selfsmith.secret.1", version.workspace_id, secret.pk, secret.name, version.number, secret.purpose)
