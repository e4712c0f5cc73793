"""Sessions of clients that shake hands (protocol revisions up to 2025-11-25): a signed id and nothing behind it.

Any web process can tell whose it is, so none has to remember. With a request's own id it names the run that the request has
started: this is how a cancellation finds it, wherever it arrives, and why a request that is sent twice runs once.
"""

import hashlib
import json
from secrets import token_urlsafe

from django.core.signing import BadSignature, TimestampSigner

from apps.workspaces.models import ApiToken

HEADER = "mcp-session-id"
LIFETIME_SECONDS = 24 * 3600
_signer = TimestampSigner(salt="apps.mcp.sessions")


def open_session(token: ApiToken) -> str:
    """A new id, which only programs with this token can use."""
    return _signer.sign(f"{token.pk.hex}.{token_urlsafe(12)}")


def find_session(token: ApiToken, session_id: str) -> str | None:
    """What names the session in the database; None when it is not this token's, too old or made up."""
    try:
        value = _signer.unsign(session_id, max_age=LIFETIME_SECONDS)
    except BadSignature:
        return None
    owner, _, name = value.partition(".")
    return name if owner == token.pk.hex else None


def run_key(session: str, request_id: str | int) -> str:
    """Under which idempotency key a request of a session starts its run."""
    return f"mcp {session} {hashlib.sha256(json.dumps(request_id).encode()).hexdigest()[:32]}"
