"""Turns what litellm raises into a kind and a sentence. Knows the exceptions by name, so it needs no import of litellm."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from apps.llm.errors import Failure, ModelUnavailable

MOST_TEXT = 300  # characters of a provider's own words; they are hostile, and only shown

# The first name found along the exception's class hierarchy decides, so special ones need not stand first.
KINDS: dict[str, tuple[Failure, str]] = {
    "AuthenticationError": (Failure.WRONG_KEY, "The provider does not accept this key."),
    "PermissionDeniedError": (Failure.WRONG_KEY, "The provider does not let this key use this model."),
    "NotFoundError": (Failure.NO_SUCH_MODEL, "The provider has no such model or address."),
    "LiteLLMUnknownProvider": (Failure.NO_SUCH_MODEL, "No provider of this model is known."),
    "RateLimitError": (Failure.RATE_LIMITED, "The provider asks to wait: too many requests, or the quota is used up."),
    "BudgetExceededError": (Failure.REFUSED, "The provider's budget is used up."),
    "PaymentRequiredError": (Failure.REFUSED, "The provider wants to be paid first."),
    "ContextWindowExceededError": (Failure.REFUSED, "The conversation is too long for this model."),
    "ContentPolicyViolationError": (Failure.REFUSED, "The provider refused the content."),
    "BadRequestError": (Failure.REFUSED, "The provider refused the request."),
    "UnprocessableEntityError": (Failure.REFUSED, "The provider refused the request."),
    "APITimeoutError": (Failure.TIMED_OUT, "The model did not answer in time."),
    "TimeoutException": (Failure.TIMED_OUT, "The model did not answer in time."),
    "ServiceUnavailableError": (Failure.UNREACHABLE, "The provider is not available at the moment."),
    "BadGatewayError": (Failure.UNREACHABLE, "The provider is not available at the moment."),
    "InternalServerError": (Failure.UNREACHABLE, "The provider's server has failed."),
    "APIResponseValidationError": (Failure.BAD_REPLY, "The server's reply cannot be read."),
    "APIConnectionError": (Failure.UNREACHABLE, "The model's server cannot be reached."),
}
NOT_READ = (Failure.BAD_REPLY, "The server's reply cannot be read.")
NO_CONNECTION = frozenset({"ConnectError", "ConnectTimeout", "RemoteProtocolError", "ReadError", "WriteError"})
NO_ANSWER = frozenset({"APITimeoutError", "ReadTimeout", "WriteTimeout"})
# litellm reports a reply that is no completion as a failure of the server and says so only in its text.
NO_COMPLETION = "Empty or invalid response"


def explain(error: BaseException, *, key: str) -> ModelUnavailable:
    """The failure for any exception that a call raised. The key is taken out of the provider's words."""
    causes = list(_causes(error))
    (kind, sentence), teller = _kind_of(causes)
    words = _words_of(teller, key)
    message = f"{sentence} It says: {words}" if words else sentence
    return ModelUnavailable(kind, message, retry_after=_retry_after(causes))


def _kind_of(causes: list[BaseException]) -> tuple[tuple[Failure, str], BaseException]:
    """The kind, and the exception whose words to show.

    litellm wraps a lost connection as a failure of the server, so the causes are asked first.
    """
    lost = [cause for cause in causes if type(cause).__name__ in NO_CONNECTION]
    if lost:
        return KINDS["APIConnectionError"], lost[-1]
    if any(type(cause).__name__ in NO_ANSWER for cause in causes):
        return KINDS["APITimeoutError"], causes[0]
    if NO_COMPLETION in str(causes[0]):
        return NOT_READ, causes[0]
    names = [cls.__name__ for cls in type(causes[0]).__mro__]
    return next((KINDS[name] for name in names if name in KINDS), NOT_READ), causes[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _words_of(error: BaseException, key: str) -> str:
    text = str(getattr(error, "message", "") or error)
    if key:
        text = text.replace(key, "***")
    text = re.sub(r"^(([\w.]+(Error|Exception|Timeout))(:| -) )+", "", text)
    text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())[:MOST_TEXT]


def _retry_after(causes: list[BaseException]) -> float | None:
    """Seconds. The header may also hold a date, which is left out: the caller has a pause of its own."""
    for cause in causes:
        headers: Any = getattr(getattr(cause, "response", None), "headers", None) or {}
        try:
            seconds = float(headers.get("retry-after", ""))
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None
