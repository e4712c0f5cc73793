"""The secrets of webhooks: sealed, opened only to check or make a signature, two at a time for a while after a rotation."""

from datetime import datetime, timedelta

from django.views.decorators.debug import sensitive_variables

from apps.triggers.models import Webhook, WebhookSecret
from apps.vault.sealing import Sealed, seal_content, unseal_content

_PURPOSE = "webhook secret"


@sensitive_variables()
def keep_secret(webhook: Webhook, secret: str) -> None:
    """Raises: vault.keys.RootKeyUnusable."""
    sealed = seal_content(secret.encode(), purpose=_PURPOSE, owner=webhook.pk)
    WebhookSecret.objects.create(webhook=webhook, key=sealed.key, sealed_key=sealed.sealed_key, sealed=sealed.content)


def retire_secrets(webhook: Webhook, *, now: datetime, after: timedelta) -> None:
    """The one that was the newest stays valid for a while, and all before it are destroyed."""
    rows = webhook.secrets.all()
    rows.filter(valid_until__isnull=False).delete()
    if after:
        rows.update(valid_until=now + after)
    else:
        rows.delete()


@sensitive_variables()
def open_secrets(webhook: Webhook, now: datetime) -> list[str]:
    """Those that are valid, the newest first.

    Raises: vault.keys.RootKeyUnusable, vault.envelope.NotSealedHere
    """
    rows = webhook.secrets.select_related("key").order_by("-id")
    return [_open(webhook, row) for row in rows if row.valid_until is None or row.valid_until > now]


@sensitive_variables()
def _open(webhook: Webhook, row: WebhookSecret) -> str:
    sealed = Sealed(row.key, bytes(row.sealed_key), bytes(row.sealed))
    return unseal_content(sealed, purpose=_PURPOSE, owner=webhook.pk).decode()
