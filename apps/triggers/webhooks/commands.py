"""Lines for a shell that send a signed message to a webhook, with nothing but openssl and curl."""

import shlex

from apps.triggers.models import Scheme, Webhook
from apps.triggers.webhooks.schemes import ID, SIGNATURE, STRIPE_HEADER, TIMESTAMP

PLACE_OF_SECRET = "THE SECRET"  # noqa: S105  what stands where the secret is not known any more
# Another id each time: what is signed alike is taken once.
_BODY = """body=$(printf '{"hello": "world", "id": "%s"}' "$(openssl rand -hex 8)")"""


def curl_lines(webhook: Webhook, *, address: str, secret: str) -> str:
    """Lines to paste as they are. An empty `secret` leaves a place for it."""
    scheme = Scheme(webhook.scheme)
    known = [] if scheme == Scheme.NONE else [f"secret={shlex.quote(secret or PLACE_OF_SECRET)}"]
    preparing, headers = _signing(webhook, scheme)
    media_type = webhook.content_types[0] if webhook.content_types else "application/json"
    sent = [f"-H {shlex.quote(f'Content-Type: {media_type}')}", *(f'-H "{header}"' for header in headers)]
    curl = f"curl -sS -X {webhook.methods[0]} {shlex.quote(address)}"
    return "\n".join([_BODY, *known, *preparing, " \\\n  ".join([curl, *sent, '--data-binary "$body"'])])


def _signing(webhook: Webhook, scheme: Scheme) -> tuple[list[str], list[str]]:
    """What to compute first, and the headers that hold it."""
    match scheme:
        case Scheme.STANDARD:
            key = 'key=$(printf %s "${secret#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d " \\n")'
            digest = _digest('"$id.$now.$body"', webhook, '-mac HMAC -macopt "hexkey:$key"')
            lines = [key, "id=msg_$(openssl rand -hex 8)", "now=$(date +%s)", digest]
            return lines, [f"{ID}: $id", f"{TIMESTAMP}: $now", f"{SIGNATURE}: v1,$signature"]
        case Scheme.STRIPE:
            return ["now=$(date +%s)", _digest('"$now.$body"', webhook)], [f"{STRIPE_HEADER}: t=$now,v1=$signature"]
        case Scheme.GITHUB | Scheme.HMAC:
            prefix = webhook.prefix.replace("\\", "\\\\").replace("$", "\\$").replace("`", "\\`").replace('"', '\\"')
            return [_digest('"$body"', webhook)], [f"{webhook.header}: {prefix}$signature"]
        case Scheme.BEARER:
            return [], [f"{webhook.header}: {'Bearer ' if webhook.header == 'authorization' else ''}$secret"]
        case Scheme.NONE:
            return [], []


def _digest(content: str, webhook: Webhook, key: str = '-hmac "$secret"') -> str:
    form = "-hex | sed 's/^.* //'" if webhook.encoding == "hex" else "-binary | openssl base64 -A"
    return f"signature=$(printf %s {content} | openssl dgst -{webhook.algorithm} {key} {form})"
