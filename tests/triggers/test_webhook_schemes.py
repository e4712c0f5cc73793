"""Signatures of each scheme, against what the schemes themselves publish and against ones made here by hand; and bodies."""

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from apps.triggers.models import Scheme, Webhook
from apps.triggers.webhooks.bodies import BadBody, read_body
from apps.triggers.webhooks.commands import curl_lines
from apps.triggers.webhooks.schemes import BadWebhookSecret, Incoming, format_secret, key_of, sign, verify

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BODY = b'{"order": 7}'
STANDARD_SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes, or so").decode()
SECRETS = {Scheme.STANDARD: STANDARD_SECRET, Scheme.NONE: ""}
OTHER = {Scheme.STANDARD: "whsec_" + base64.b64encode(b"another, of another one.").decode()}


def webhook(scheme: Scheme, **fields: Any) -> Webhook:
    usual: dict[Scheme, dict[str, str]] = {
        Scheme.STANDARD: {"header": "webhook-signature", "algorithm": "sha256", "encoding": "base64"},
        Scheme.GITHUB: {"header": "x-hub-signature-256", "algorithm": "sha256", "encoding": "hex", "prefix": "sha256="},
        Scheme.STRIPE: {"header": "stripe-signature", "algorithm": "sha256", "encoding": "hex"},
        Scheme.HMAC: {"header": "x-signature", "algorithm": "sha512", "encoding": "base64", "prefix": "v0="},
        Scheme.BEARER: {"header": "authorization"},
        Scheme.NONE: {},
    }
    return Webhook(scheme=scheme, methods=["POST"], content_types=[], **{**usual[scheme], **fields})


def secret_of(scheme: Scheme) -> str:
    return SECRETS.get(scheme, "a secret of the sender")


def is_known(
    made: Webhook, headers: dict[str, str], body: bytes = BODY, *, secrets: list[str] | None = None, now: datetime = NOW
) -> bool:
    given = [secret_of(Scheme(made.scheme))] if secrets is None else secrets
    return verify(made, Incoming("POST", headers, body), given, now) is not None


def test_the_published_message_of_standard_webhooks_is_verified() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    sent_at = datetime.fromtimestamp(1614265330, UTC)
    given: dict[str, Any] = {"secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "now": sent_at}
    assert is_known(webhook(Scheme.STANDARD), headers, b'{"test": 2432232314}', **given)
    assert not is_known(webhook(Scheme.STANDARD), headers, b'{"test": 2432232315}', **given)


def test_the_published_message_of_github_is_verified() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secrets = ["It's a Secret to Everybody"]
    assert is_known(webhook(Scheme.GITHUB), {"x-hub-signature-256": signature}, b"Hello, World!", secrets=secrets)
    assert not is_known(webhook(Scheme.GITHUB), {"x-hub-signature-256": signature}, b"Hello, World?", secrets=secrets)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "sha512",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ],
)
def test_the_published_digests_of_hmac_are_verified_in_either_writing(algorithm: str, digest: str) -> None:
    """RFC 4231, case 2."""
    body, secrets = b"what do ya want for nothing?", ["Jefe"]
    in_hex = webhook(Scheme.HMAC, algorithm=algorithm, encoding="hex", prefix="")
    assert is_known(in_hex, {"x-signature": digest}, body, secrets=secrets)
    assert is_known(in_hex, {"x-signature": digest.upper()}, body, secrets=secrets)
    in_base64 = webhook(Scheme.HMAC, algorithm=algorithm, encoding="base64", prefix="v0=")
    written = base64.b64encode(bytes.fromhex(digest)).decode()
    assert is_known(in_base64, {"x-signature": f"v0={written}"}, body, secrets=secrets)
    assert not is_known(in_base64, {"x-signature": written}, body, secrets=secrets)


def test_a_message_as_stripe_sends_it_is_verified_with_any_of_its_signatures() -> None:
    seconds = int(NOW.timestamp())
    digest = hmac.new(b"a secret of the sender", f"{seconds}.".encode() + BODY, hashlib.sha256).hexdigest()
    stripe = webhook(Scheme.STRIPE)
    assert is_known(stripe, {"stripe-signature": f"t={seconds},v1={'0' * 64},v1={digest},v0=old"})
    assert not is_known(stripe, {"stripe-signature": f"t={seconds},v0={digest}"}), "the scheme of tests is none"
    assert not is_known(stripe, {"stripe-signature": f"t={seconds},t={seconds - 1},v1={digest}"})


@pytest.mark.parametrize("scheme", [each for each in Scheme if each != Scheme.NONE])
def test_only_a_holder_of_the_secret_is_known(scheme: Scheme) -> None:
    made = webhook(scheme)
    headers = sign(made, BODY, secret_of(scheme), message_id="msg_1", now=NOW)
    assert is_known(made, headers)
    assert not is_known(made, headers, secrets=[OTHER.get(scheme, "a secret of another one")])
    assert not is_known(made, {})
    assert is_known(made, headers, secrets=[OTHER.get(scheme, "a secret of another one"), secret_of(scheme)]), (
        "while two are valid"
    )
    if scheme.is_signed:
        assert not is_known(made, headers, BODY + b" ")


@pytest.mark.parametrize("scheme", [Scheme.STANDARD, Scheme.STRIPE])
@pytest.mark.parametrize("away", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_a_message_of_another_time_is_a_recording(scheme: Scheme, away: timedelta) -> None:
    made = webhook(scheme)
    headers = sign(made, BODY, secret_of(scheme), message_id="msg_1", now=NOW)
    assert not is_known(made, headers, now=NOW + away)
    assert is_known(made, headers, now=NOW + away * 0.8)


GARBAGE = [
    "",
    "v1,",
    "v1,====",
    "sha256=",
    "sha256=zz",
    "t=,v1=",
    "t=1e9,v1=a",
    "t=-1,v1=a",
    "é" * 9,
    "a" * 5000,
    "Bearer ",
    ",,,",
    "v1,a " * 40,
]


@pytest.mark.parametrize("scheme", [each for each in Scheme if each != Scheme.NONE])
@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_for_a_signature_is_merely_wrong(scheme: Scheme, text: str) -> None:
    made = webhook(scheme)
    for seconds in ("", "abc", "1" * 30, "٣", str(int(NOW.timestamp()))):
        headers = {"webhook-id": "a", "webhook-timestamp": seconds, made.header: text}
        assert not is_known(made, headers, b"\xff\x00")


def test_an_id_that_the_signature_does_not_cover_as_it_stands_is_refused() -> None:
    """A dot more or less in id or time would sign the same bytes for another id."""
    made = webhook(Scheme.STANDARD)
    headers = sign(made, BODY, STANDARD_SECRET, message_id="msg.1", now=NOW)
    seconds = headers["webhook-timestamp"]
    moved = {**headers, "webhook-id": "msg", "webhook-timestamp": f"1.{seconds}"}
    assert is_known(made, headers)
    assert not is_known(made, moved)


def test_a_secret_of_standard_webhooks_must_be_one() -> None:
    assert key_of(Scheme.STANDARD, STANDARD_SECRET) == b"twenty-four bytes, or so"
    for wrong in ("whsec_", "whsec_not base64!", "whsec_" + base64.b64encode(b"short").decode(), "whsec_é"):
        with pytest.raises(BadWebhookSecret, match="Copy it whole"):
            key_of(Scheme.STANDARD, wrong)
    for scheme in Scheme:
        assert len(key_of(scheme, format_secret(scheme, b"r" * 32))) >= 32


def body_of(text: bytes, content_type: str = "application/json; charset=utf-8") -> Any:
    found = read_body(Incoming("POST", {"content-type": content_type}, text))
    return found.encoding, found.value


def test_a_body_is_read_as_what_it_says_it_is() -> None:
    assert body_of(b'{"a": [1, 2.5, null]}') == ("json", {"a": [1, 2.5, None]})
    assert body_of(b'["a"]', "application/vnd.api+json") == ("json", ["a"])
    assert body_of("a=b&c=ü".encode(), "application/x-www-form-urlencoded") == ("text", "a=b&c=ü")
    assert body_of(b"{", "") == ("text", "{")
    assert body_of(b"\xff\xfe\x00", "text/plain") == ("base64", "//4A")
    assert body_of(b"a\x00b", "text/plain") == ("base64", "YQBi")
    assert body_of(b"") == ("none", None)


@pytest.mark.parametrize(
    "text",
    [
        b"{", b"nope", b"\xff\xfe", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"[Infinity]", b"[1e999]", b'"\\ud800"',
        b'{"\\u0000": 1}', b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200, b"[" * 200 + b"]" * 200, b"1" * 5000,
    ],
)  # fmt: skip
def test_json_that_cannot_be_kept_or_reads_in_two_ways_is_refused(text: bytes) -> None:
    with pytest.raises(BadBody):
        body_of(text)


class _Listener(BaseHTTPRequestHandler):
    """Keeps what curl has sent."""

    heard: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def listener() -> Iterator[HTTPServer]:
    handler = type("Listener", (_Listener,), {"heard": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.skipif(not all(map(shutil.which, ("curl", "openssl"))), reason="needs curl and openssl")
@pytest.mark.parametrize("scheme", list(Scheme))
def test_the_lines_of_the_page_sign_what_is_verified_when_pasted(scheme: Scheme, listener: HTTPServer) -> None:
    made = webhook(scheme)
    secret = secret_of(scheme).replace("of the", "of 'the' $sender")
    lines = curl_lines(made, address=f"http://127.0.0.1:{listener.server_port}/hooks/x", secret=secret)
    for _ in range(2):
        subprocess.run(["bash", "-euo", "pipefail", "-c", lines], check=True, timeout=30)
    (first, body), (_, another) = listener.RequestHandlerClass.heard  # type: ignore[attr-defined]
    assert verify(made, Incoming("POST", first, body), [secret] if secret else [], datetime.now(UTC))
    assert json.loads(body)["hello"] == "world"
    assert body != another, "the same content is taken once"
