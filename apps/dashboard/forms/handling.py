"""The part of a function's form that says how its runs are handled."""

from collections.abc import Mapping
from typing import Any

from django import forms

from apps.functions.handling import LONGEST_CACHE_SECONDS, MOST_AT_ONCE, USUAL

FIELDS = ("cache_seconds", "at_once", "at_once_by", "undone_by")


class HandlingForm(forms.Form):
    """Adds `handling` to the cleaned data, in place of the fields that it is made of."""

    cache_seconds = forms.IntegerField(
        label="Keep answers for so many seconds",
        required=False,
        min_value=0,
        max_value=LONGEST_CACHE_SECONDS,
        help_text="A run with the same arguments is then answered from an earlier one and not executed. Only for a function "
        "whose answer depends on nothing else, and which does nothing that must be done each time. Empty: none is kept.",
    )
    at_once = forms.IntegerField(
        label="Runs at once, at most",
        required=False,
        min_value=0,
        max_value=MOST_AT_ONCE,
        help_text="Further ones wait in the queue. Empty: as many as there are places.",
    )
    at_once_by = forms.CharField(
        label="Counted for each value of the argument",
        required=False,
        max_length=100,
        help_text="Such as customer: then so many at once for each customer. Empty: for the function.",
    )

    undone_by = forms.CharField(
        label="Undone by the function",
        required=False,
        max_length=100,
        help_text="Called with arguments and result of a run that succeeded, when the run at the top of its chain did not. For "
        "effects outside, such as an order that was placed.",
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        said = {name: given.pop(name, None) for name in FIELDS}
        return {**given, "handling": {name: value or USUAL[name] for name, value in said.items()}}

    def has_handling_errors(self) -> bool:
        return any(name in self.errors for name in FIELDS)


def handling_initial(handling: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, filled with what a version has."""
    return {name: handling.get(name) for name in FIELDS}
