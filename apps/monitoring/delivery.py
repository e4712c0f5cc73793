"""How an operator is told of an alert: by mail, by a webhook, or both. Addresses are the operator's settings."""

from collections.abc import Callable
from http import HTTPStatus
from smtplib import SMTPException
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core.mail import send_mail

from apps.llm.checked_http import checked_client
from apps.monitoring.models import Alert

SECONDS = 10
MAX_REPLY = 64 * 1024


class NotDelivered(Exception):
    """The channel did not take it. Its text names no address: a webhook's is often its password."""


def channels() -> dict[str, Callable[[Alert], None]]:
    """Those that are set up, by name."""
    found: dict[str, Callable[[Alert], None]] = {}
    if settings.ALERT_MAIL:
        found["mail"] = send_by_mail
    if settings.ALERT_WEBHOOK:
        found["webhook"] = send_by_webhook
    return found


def send_by_mail(alert: Alert) -> None:
    """Raises: NotDelivered"""
    subject = f"Selfsmith {settings.INSTALLATION}: {alert.rule.replace('_', ' ')}"
    try:
        send_mail(subject, f"{alert.text}\n\nSince {alert.began_at:%Y-%m-%d %H:%M} UTC.\n", None, settings.ALERT_MAIL)
    except (SMTPException, OSError) as error:
        raise NotDelivered(f"The mail server did not take it: {error}") from error


def send_by_webhook(alert: Alert) -> None:
    """A POST of JSON whose `text` chat systems show as it is. The address is checked as models' addresses are: public and
    over https, or a host that the operator allows by name.

    Raises: NotDelivered
    """
    allowed = frozenset(host.lower() for host in settings.ALERT_ALLOWED_LOCAL_HOSTS)
    _check_scheme(settings.ALERT_WEBHOOK, allowed)
    body = {
        "text": f"Selfsmith: {alert.text}",
        "rule": alert.rule,
        "installation": settings.INSTALLATION,
        "began_at": alert.began_at.isoformat(),
    }
    try:
        with checked_client(allowed=allowed, seconds=SECONDS, max_bytes=MAX_REPLY) as client:
            status = client.post(settings.ALERT_WEBHOOK, json=body).status_code
    except httpx.HTTPError as error:
        raise NotDelivered(f"The webhook does not answer ({type(error).__name__}).") from error
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise NotDelivered(f"The webhook answered {status}.")


def _check_scheme(address: str, allowed: frozenset[str]) -> None:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise NotDelivered("SELFSMITH_ALERT_WEBHOOK is no address.") from None
    if parts.scheme == "https" and host:
        return
    if parts.scheme != "http" or not {host, f"{host}:{port}"} & allowed:
        raise NotDelivered(
            "SELFSMITH_ALERT_WEBHOOK must begin with https://, or its host be in SELFSMITH_ALERT_ALLOWED_LOCAL_HOSTS."
        )
