"""What may go wrong while setting up, as one sentence for a person and what that person can do about it."""

from __future__ import annotations

from typing import Optional


class SetupError(Exception):
    """Set-up cannot go on. `sentence` says what is wrong, `advice` what to do; neither needs a traceback to be understood."""

    def __init__(self, sentence: str, advice: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.advice = advice


class Stopped(BaseException):
    """A person (Ctrl-C) or a supervisor (SIGTERM) asked to end. No error, so no step may catch it as one."""


NETWORK_SIGNS = (
    "Temporary failure resolving",
    "Temporary failure in name resolution",
    "Could not resolve",
    "Name or service not known",
    "Network is unreachable",
    "Connection refused",
    "Could not connect",
    "Connection timed out",
    "Failed to fetch",
    "Couldn't download",
    "dns error",
    "error sending request",
    "NewConnectionError",
    "Failed to establish a new connection",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ETIMEDOUT",
)
FULL_DISK_SIGNS = ("No space left on device", "ENOSPC", "not enough free space")
TRUST_SIGNS = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "UnknownIssuer", "SELF_SIGNED_CERT")


def explain(output: str, doing: str) -> Optional[SetupError]:
    """The common reasons why a program failed, read from its output; None when it is none of them.

    A full disk comes first, because programs then often complain about the network as well.
    """
    if any(sign in output for sign in FULL_DISK_SIGNS):
        return SetupError(f"The disk is full ({doing}).", "Free some space (`df -h` shows where) and start again.")
    if any(sign in output for sign in TRUST_SIGNS):
        return SetupError(
            f"A server's certificate is not trusted by this machine ({doing}).",
            "Behind a proxy that opens TLS, put its certificate into /usr/local/share/ca-certificates, "
            "run `update-ca-certificates` and start again.",
        )
    if any(sign in output for sign in NETWORK_SIGNS):
        return SetupError(
            f"The network does not answer ({doing}).",
            "The first start needs the package servers of Debian, PyPI and npm. Check the connection or the proxy "
            "settings (http_proxy, https_proxy) and start again; what is done is kept.",
        )
    return None
