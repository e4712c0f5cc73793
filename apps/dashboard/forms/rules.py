"""The forms of rules and events."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms

from apps.functions.models import Function
from apps.triggers.models import Rule
from apps.triggers.services import MOST_PER_MINUTE, MOST_RUNNING, RuleDraft
from apps.triggers.types import PLATFORM

ARGUMENTS_CHARACTERS = 60_000


class RuleForm(forms.Form):
    """What a rule says. Arguments come one a line, `name = expression`."""

    name = forms.CharField(label="Name", max_length=100)
    event_type = forms.CharField(
        label="When this happens",
        max_length=100,
        widget=forms.TextInput(attrs={"list": "event-types", "autocomplete": "off"}),
        help_text="A type of event: one of the platform's own, or one that your code tells by func.emit.",
    )
    function = forms.ChoiceField(label="To this function", required=False)
    condition = forms.CharField(
        label="And this holds",
        required=False,
        max_length=1000,
        widget=forms.Textarea,
        help_text="An expression in CEL over the event. Empty: always.",
    )
    target = forms.ChoiceField(label="Run this function")
    arguments = forms.CharField(
        label="With these arguments, one a line",
        required=False,
        max_length=ARGUMENTS_CHARACTERS,
        widget=forms.Textarea,
        help_text="name = expression. A text of your own stands in quotes.",
    )
    error_handler = forms.ChoiceField(
        label="When that fails, run",
        required=False,
        help_text="A function that takes one argument, event: dict. It is told what failed.",
    )
    most_per_minute = forms.IntegerField(label="Runs a minute, at most", initial=60, min_value=1, max_value=MOST_PER_MINUTE)
    most_running = forms.IntegerField(label="Runs going on, at most", initial=10, min_value=1, max_value=MOST_RUNNING)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, functions: Sequence[Function], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._functions = {str(function.pk): function for function in functions}
        choices = [(key, function.name) for key, function in self._functions.items()]
        for name, empty in (("function", "Any"), ("target", "Choose"), ("error_handler", "Nothing")):
            self.fields[name].choices = [("", empty), *choices]  # type: ignore[attr-defined]  # fields are declared as plain Field

    def clean_condition(self) -> str:
        return str(self.cleaned_data["condition"]).replace("\r\n", "\n").strip()

    def clean_arguments(self) -> dict[str, str]:
        """A line that begins with a blank goes on with the argument above it."""
        given: dict[str, str] = {}
        last = ""
        for line in self.cleaned_data["arguments"].replace("\r\n", "\n").splitlines():
            if line[:1].isspace() and last:
                given[last] += "\n" + line
                continue
            name, sign, expression = line.partition("=")
            if not line.strip():
                continue
            last = name.strip()
            if not sign or not last.isidentifier() or last in given:
                raise forms.ValidationError(f"“{line[:60]}” is no argument. Write name = expression, each name once.")
            given[last] = expression.strip()
        return given

    def draft(self) -> RuleDraft:
        """What the checked form says."""
        given = dict(self.cleaned_data)
        given.pop("seen")
        functions: dict[str, Any] = {
            name: self._functions.get(given.pop(name)) for name in ("function", "target", "error_handler")
        }
        target = functions.pop("target")
        assert target is not None, "a required choice"
        return RuleDraft(target=target, **functions, **given)

    def place(self, problems: dict[str, str]) -> None:
        """Put what is wrong with expressions beside the fields that hold them."""
        for name, sentence in problems.items():
            if name in ("condition", "error_handler"):
                self.add_error(name, sentence)
            else:
                self.add_error("arguments", f"{name}: {sentence}" if name else sentence)


class EventForm(forms.Form):
    """An event told by hand. Cleaned: type, subject, data (a dict)."""

    type = forms.CharField(label="Type", max_length=100, help_text="Words with dots between them, such as order.paid.")
    subject = forms.CharField(label="What it is about", required=False, max_length=300)
    data = forms.CharField(  # type: ignore[assignment]  # fields are no attributes of the form, whose `data` is the request's
        label="Data, as a JSON object", required=False, initial="{}", widget=forms.Textarea
    )

    def clean_data(self) -> dict[str, Any]:
        return _read_object(self.cleaned_data["data"])


class FireForm(forms.Form):
    """Data for a rule that is fired by hand. Cleaned: data (a dict)."""

    data = forms.CharField(  # type: ignore[assignment]  # as above
        label="Data, as a JSON object",
        required=False,
        initial="{}",
        widget=forms.Textarea,
        help_text="The rule reads it as event.data.",
    )

    def clean_data(self) -> dict[str, Any]:
        return _read_object(self.cleaned_data["data"])


def rule_initial(rule: Rule) -> dict[str, Any]:
    """The form of a rule, filled with what it says now."""
    names = ("name", "event_type", "condition", "most_per_minute", "most_running")
    return {
        **{name: getattr(rule, name) for name in names},
        "function": str(rule.function_id or ""),
        "target": str(rule.target_id),
        "error_handler": str(rule.error_handler_id or ""),
        "arguments": "\n".join(f"{name} = {expression}" for name, expression in rule.arguments.items()),
        "seen": rule.updated_at.isoformat(),
    }


def event_types_together() -> list[tuple[list[str], str]]:
    """The platform's own types, those that tell the same together: their names, and what their data tell."""
    told: dict[str, list[str]] = {}
    for each in PLATFORM.values():
        told.setdefault(each.data, []).append(each.name)
    return [(names, data) for data, names in told.items()]


def _read_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise forms.ValidationError('This is no JSON. Write an object such as {"order": 7}.') from None
    if not isinstance(value, dict):
        raise forms.ValidationError("This must be a JSON object: names with their values.")
    return value
