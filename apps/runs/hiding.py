"""Takes a run's secrets out of everything that its box says, before it is stored or shown."""

from dataclasses import fields, replace
from typing import Any

from apps.vault.masking import Mask
from sandbox import ArtifactData, Event, HostRequest, Item, OnRequest, Outcome, Output, RequestRefused

NO_SECRETS = Mask(())
# What the tool has no hand in, or cannot say anything by.
_OWN_WORDS = {"stream", "verdict", "sha256"}


def hide_in_event(mask: Mask, event: Event) -> Event:
    """The event with every text of it masked. Output is left to the streams' own maskers, files to nobody: they are bytes."""
    if not mask or isinstance(event, Output | ArtifactData):
        return event
    if isinstance(event, Item):
        return replace(event, value=mask.mask_json(event.value))
    texts = {each.name: getattr(event, each.name) for each in fields(event) if each.name not in _OWN_WORDS}
    hidden = {name: mask.mask_preview(text) for name, text in texts.items() if isinstance(text, str)}
    return replace(event, **hidden)  # type: ignore[arg-type]  # the names are the event's own


def refuse_secrets(mask: Mask, answer: OnRequest) -> OnRequest:
    """The same answers, but for requests that carry a secret: what they ask for, such as a run, would be stored with it."""
    if not mask:
        return answer

    def answer_others(request: HostRequest) -> Any:
        if mask.mask_json(request.payload) != request.payload:
            raise RequestRefused(
                "The call carries a secret of this run. Let the function that it calls ask for the secret itself."
            )
        return answer(request)

    return answer_others


def hide_in_outcome(mask: Mask, outcome: Outcome) -> Outcome:
    """The outcome with result, message and error masked."""
    if not mask:
        return outcome
    error = outcome.error
    if error is not None:
        hide = mask.mask_preview
        error = replace(
            error,
            type=hide(error.type),
            message=hide(error.message),
            traceback=hide(error.traceback),
            function=None if error.function is None else hide(error.function),
        )
    return replace(outcome, message=mask.mask_preview(outcome.message), result=mask.mask_json(outcome.result), error=error)
