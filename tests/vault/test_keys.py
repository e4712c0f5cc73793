"""A process with a wrong root key stops before it writes what nobody could read."""

import base64

import pytest

from apps.core.tenancy import scope
from apps.vault.keys import RootKeyUnusable, root_key_id, verify_root_key
from apps.vault.models import Secret, WorkspaceKey
from apps.vault.services import open_secret, set_secret

OTHER_KEY = base64.b64encode(b"another-key-another-key-another!").decode()


@pytest.fixture
def secrets_of_two(cast) -> None:
    for workspace, actor in ((cast.acme, cast.admin), (cast.globex, cast.stranger)):
        with scope(workspace.pk):
            set_secret(actor=actor, name="KEY", value="correct-horse")


def test_the_right_root_key_opens_the_key_of_every_workspace(secrets_of_two) -> None:
    assert verify_root_key() == 2


def test_a_new_installation_has_nothing_to_prove(db) -> None:
    assert verify_root_key() == 0


def test_a_wrong_root_key_is_found_at_the_start_and_opens_and_writes_nothing(cast, secrets_of_two, settings) -> None:
    written_with = root_key_id()
    settings.VAULT_ROOT_KEY = OTHER_KEY
    with pytest.raises(RootKeyUnusable, match=written_with):
        verify_root_key()
    with scope(cast.acme.pk):
        with pytest.raises(RootKeyUnusable):
            open_secret(name="KEY", purpose="function", reader="run 1")
        with pytest.raises(RootKeyUnusable):
            set_secret(actor=cast.admin, name="KEY", value="another-value")
        assert WorkspaceKey.objects.count() == 1
        assert Secret.objects.get().current_version == 1


@pytest.mark.parametrize(
    "key",
    ["", "short", "not base64 at all !", base64.b64encode(b"x" * 31).decode(), base64.b64encode(b"x" * 33).decode(), "ключ"],
)
def test_a_missing_or_malformed_root_key_stops_the_process_without_showing_it(db, settings, key) -> None:
    settings.VAULT_ROOT_KEY = key
    with pytest.raises(RootKeyUnusable, match="SELFSMITH_VAULT_ROOT_KEY") as refused:
        verify_root_key()
    assert not key or key not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_the_name_of_a_root_key_tells_the_keys_apart(settings) -> None:
    first = root_key_id()
    settings.VAULT_ROOT_KEY = OTHER_KEY
    assert root_key_id() != first
