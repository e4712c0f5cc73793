"""The operator's pages write secrets and never show one."""

import pytest
from django.urls import reverse

from apps.audit.models import AuditRecord
from apps.core.tenancy import every_workspace, scope
from apps.vault.models import Secret
from apps.vault.services import open_secret, set_secret

VALUE = "correct-horse-battery"
ADD = reverse("admin:vault_secret_add")


@pytest.fixture
def operator(cast, client):
    """A signed-in operator who is a member of globex only."""
    cast.stranger.user.is_staff = cast.stranger.user.is_superuser = True
    cast.stranger.user.save()
    client.force_login(cast.stranger.user)
    return client


@pytest.fixture
def secret(cast) -> Secret:
    with scope(cast.acme.pk):
        return set_secret(actor=cast.admin, name="API_KEY", value=VALUE)


def test_an_operator_adds_a_secret_to_any_workspace(cast, operator) -> None:
    answer = operator.post(ADD, {"into": cast.acme.pk, "name": "API_KEY", "purpose": "model", "value": VALUE}, follow=True)
    assert answer.status_code == 200
    assert VALUE not in answer.text
    with scope(cast.acme.pk):
        assert open_secret(name="API_KEY", purpose="model", reader="test") == VALUE
        assert AuditRecord.objects.get(action="secret.set").actor_name == "stranger (operator)"


def test_a_refused_value_is_not_drawn_again(cast, operator) -> None:
    answer = operator.post(ADD, {"into": cast.acme.pk, "name": "not a name", "purpose": "model", "value": VALUE})
    assert answer.status_code == 200
    assert "Name a secret as programs name variables" in answer.text
    assert VALUE not in answer.text
    answer = operator.post(ADD, {"into": cast.acme.pk, "name": "KEY", "purpose": "model", "value": "tiny"})
    assert "at least 8 characters" in answer.text
    assert "tiny" not in answer.text


def test_an_operator_rotates_and_deletes_and_sees_no_value(cast, operator, secret) -> None:
    change = reverse("admin:vault_secret_change", args=[secret.pk])
    for page in (reverse("admin:vault_secret_changelist"), change):
        text = operator.get(page).text
        assert "API_KEY" in text
        assert VALUE not in text
    assert operator.post(change, {"value": "another-value"}).status_code == 302
    with scope(cast.acme.pk):
        assert open_secret(name="API_KEY", purpose="function", reader="test") == "another-value"
    assert operator.post(reverse("admin:vault_secret_delete", args=[secret.pk]), {"post": "yes"}).status_code == 302
    with every_workspace(reason="testing"):
        assert not Secret.objects.exists()
        actions = list(AuditRecord.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["secret.set", "secret.rotated", "secret.opened", "secret.deleted"]


@pytest.mark.parametrize("name", ["owner", "admin", "developer"])
def test_members_who_are_no_operators_find_no_such_page(cast, client, secret, name) -> None:
    client.force_login(getattr(cast, name).user)
    for page in (ADD, reverse("admin:vault_secret_changelist"), reverse("admin:vault_secret_change", args=[secret.pk])):
        assert client.get(page).status_code == 404
