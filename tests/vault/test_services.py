"""Secrets go in, come out only where they are opened, and open only where they belong."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, connection, transaction
from django.forms.models import model_to_dict

from apps.audit.models import AuditRecord
from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.vault.envelope import NotSealedHere
from apps.vault.models import Secret, SecretVersion, WorkspaceKey
from apps.vault.services import NoSuchSecret, Operator, delete_secret, list_secrets, open_secret, rotate_secret, set_secret

VALUE = "correct-horse-battery"


def opened(name: str = "API_KEY", purpose: str = "function") -> str:
    return open_secret(name=name, purpose=purpose, reader="run 1")


def stored(cast: SimpleNamespace, **changes: str) -> Secret:
    return set_secret(**{"actor": cast.admin, "name": "API_KEY", "value": VALUE, **changes})


def test_what_was_set_is_opened_and_the_use_is_recorded(cast, in_acme) -> None:
    secret = stored(cast)
    assert secret.last_used_at is None
    assert opened() == VALUE
    secret.refresh_from_db()
    assert secret.last_used_at is not None
    use = AuditRecord.objects.get(action="secret.opened")
    assert (use.subject_name, use.details["reader"], use.details["version"]) == ("API_KEY", "run 1", 1)


@pytest.mark.parametrize(
    "value", ["zürich-öl-čaj", "-----BEGIN KEY-----\nabc\n-----END KEY-----\n", "  spaced out  ", "x" * 65536]
)
def test_every_value_comes_back_as_it_was(cast, in_acme, value) -> None:
    stored(cast, value=value)
    assert opened() == value


def test_setting_again_and_rotating_replace_the_value_and_destroy_the_old_one(cast, in_acme) -> None:
    first = stored(cast)
    second = stored(cast, value="another-value")
    third = rotate_secret(actor=cast.owner, secret_id=first.pk, value="the-third-value")
    assert (first.pk, first.current_version, second.current_version, third.current_version) == (second.pk, 1, 2, 3)
    assert opened() == "the-third-value"
    assert [version.number for version in SecretVersion.objects.all()] == [3]
    actions = AuditRecord.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["secret.set", "secret.rotated", "secret.rotated", "secret.opened"]


def test_the_fingerprint_tells_whether_a_value_changed_and_nothing_across_secrets(cast, in_acme) -> None:
    first, other = stored(cast), stored(cast, name="OTHER")
    same, changed = stored(cast), stored(cast, value="changed-value")
    assert first.fingerprint == same.fingerprint
    assert len({first.fingerprint, other.fingerprint, changed.fingerprint}) == 3


def test_purposes_are_two_drawers(cast, in_acme) -> None:
    stored(cast, purpose="model")
    with pytest.raises(NoSuchSecret):
        opened(purpose="function")
    stored(cast, value="for-functions")
    assert opened(purpose="model") == VALUE
    assert opened(purpose="function") == "for-functions"
    assert [row.name for row in list_secrets(actor=cast.viewer, purpose="function")] == ["API_KEY"]
    assert len(list_secrets(actor=cast.viewer)) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": ""}, "bad_secret_name"),
        ({"name": "1KEY"}, "bad_secret_name"),
        ({"name": "MY-KEY"}, "bad_secret_name"),
        ({"name": "KEY\n"}, "bad_secret_name"),
        ({"name": "CLÉ"}, "bad_secret_name"),
        ({"name": "K" * 65}, "bad_secret_name"),
        ({"purpose": "fun"}, "unknown_purpose"),
        ({"value": "1234567"}, "secret_too_short"),
        ({"value": "1234567   \n"}, "secret_too_short"),
        ({"value": "x" * 65537}, "secret_too_long"),
        ({"value": "ü" * 32769}, "secret_too_long"),
        ({"value": "12345678\0"}, "bad_secret_value"),
        ({"value": "12345678\ud800"}, "bad_secret_value"),
    ],
)
def test_what_cannot_be_kept_or_masked_is_refused_without_repeating_it(cast, in_acme, changes, code) -> None:
    with pytest.raises(DomainError) as refused:
        stored(cast, **changes)
    assert refused.value.code == code
    assert changes.get("value", VALUE) not in refused.value.message + str(refused.value.details)
    assert not Secret.objects.exists()


@pytest.mark.parametrize("name", ["viewer", "operator", "developer", "approver"])
def test_only_admins_and_owners_write_secrets(cast, in_acme, name) -> None:
    secret, actor = stored(cast), getattr(cast, name)
    for use in (
        lambda: stored(cast, actor=actor),
        lambda: rotate_secret(actor=actor, secret_id=secret.pk, value="something-else"),
        lambda: delete_secret(actor=actor, secret_id=secret.pk),
    ):
        with pytest.raises(DomainError) as refused:
            use()
        assert refused.value.code == "permission_missing"
    assert opened() == VALUE


def test_an_operator_writes_and_somebody_who_is_none_cannot_pretend(cast, in_acme) -> None:
    with pytest.raises(DomainError):
        stored(cast, actor=Operator(cast.stranger.user))
    cast.stranger.user.is_staff = True
    stored(cast, actor=Operator(cast.stranger.user))
    assert AuditRecord.objects.get(action="secret.set").actor_name == "stranger (operator)"


def test_a_deleted_secret_is_gone_with_its_value(cast, in_acme) -> None:
    secret = stored(cast)
    delete_secret(actor=cast.admin, secret_id=secret.pk)
    assert not SecretVersion.objects.exists()
    with pytest.raises(NoSuchSecret):
        opened()
    with pytest.raises(NoSuchSecret):
        delete_secret(actor=cast.admin, secret_id=secret.pk)


def test_a_stranger_sees_opens_and_changes_nothing(cast) -> None:
    with scope(cast.acme.pk):
        secret = stored(cast)
    with scope(cast.globex.pk):
        assert not list_secrets(actor=cast.stranger)
        for use in (
            opened,
            lambda: rotate_secret(actor=cast.stranger, secret_id=secret.pk, value="something-else"),
            lambda: delete_secret(actor=cast.stranger, secret_id=secret.pk),
        ):
            with pytest.raises(NoSuchSecret):
                use()
        stored(cast, actor=cast.stranger, value="globex-has-its-own")
        assert opened() == "globex-has-its-own"
    with scope(cast.acme.pk):
        assert opened() == VALUE
        assert WorkspaceKey.objects.count() == 1


@contextmanager
def without_triggers(table: str) -> Iterator[None]:
    """What somebody with the database in hand could do."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def moved(version: SecretVersion, **to: object) -> None:
    with without_triggers("vault_secretversion"):
        SecretVersion.objects.filter(pk=version.pk).update(**to)


def test_a_value_that_was_moved_to_another_name_does_not_open(cast, in_acme) -> None:
    harmless, dear = stored(cast, name="HARMLESS"), stored(cast, name="DEAR", value="the-dear-value")
    harmless_version, dear_version = harmless.versions.get(), dear.versions.get()
    moved(harmless_version, sealed=dear_version.sealed, wrapped_key=dear_version.wrapped_key)
    with pytest.raises(NotSealedHere):
        opened("HARMLESS")
    moved(harmless_version, sealed=dear_version.sealed)
    with pytest.raises(NotSealedHere):
        opened("HARMLESS")


def test_a_value_under_another_purpose_or_version_or_workspace_does_not_open(cast) -> None:
    with scope(cast.acme.pk):
        stored(cast, purpose="model")
        version = SecretVersion.objects.get()
        with without_triggers("vault_secret"):
            Secret.objects.update(purpose="function")
        with pytest.raises(NotSealedHere):
            opened(purpose="function")
        moved(version, number=2)
        Secret.objects.update(current_version=2)
        with pytest.raises(NotSealedHere):
            opened(purpose="function")
    with scope(cast.globex.pk):
        stored(cast, actor=cast.stranger)
        moved(SecretVersion.objects.get(), sealed=version.sealed, wrapped_key=version.wrapped_key)
        with pytest.raises(NotSealedHere):
            opened()


def test_the_database_refuses_to_change_a_stored_value_or_a_name(cast, in_acme) -> None:
    stored(cast)
    for change in (
        lambda: SecretVersion.objects.update(sealed=b"x"),
        lambda: SecretVersion.objects.update(number=2),
        lambda: Secret.objects.update(name="OTHER"),
        lambda: Secret.objects.update(purpose="model"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_a_value_is_in_no_row_no_record_and_no_repr(cast, in_acme) -> None:
    secret = stored(cast)
    opened()
    with connection.cursor() as cursor:
        for table in ("vault_secret", "vault_secretversion", "vault_workspacekey", "audit_auditrecord"):
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {table} t")
            rows = str(cursor.fetchall())
            assert VALUE not in rows
            assert VALUE.encode().hex() not in rows
    version = secret.versions.get()
    shown = f"{secret!r} {version!r} {secret} {version} {model_to_dict(secret)} {model_to_dict(version)} {secret.__dict__}"
    assert VALUE not in shown


def test_two_who_set_the_first_secret_at_once_share_one_key_and_leave_one_value(transactional_cast) -> None:
    cast, start, errors = transactional_cast, threading.Barrier(4), []

    def store(number: int) -> None:
        try:
            start.wait(timeout=10)
            with scope(cast.acme.pk):
                stored(cast, value=f"value-number-{number}")
        except Exception as error:  # noqa: BLE001  the test below must see it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=store, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert errors == []
    with scope(cast.acme.pk):
        assert WorkspaceKey.objects.count() == 1
        assert Secret.objects.get().current_version == 4
        assert opened().startswith("value-number-")
