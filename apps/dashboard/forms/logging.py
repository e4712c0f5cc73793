"""The part of a function's form that says what of its runs is kept."""

from collections.abc import Mapping
from typing import Any

from django import forms

from apps.functions.logging import LARGEST_SAMPLE, LEVELS, USUAL

FIELDS = ("log_level", "log_sample", "hide_arguments")


class LoggingForm(forms.Form):
    """Adds `logging` to the cleaned data, in place of the fields that it is made of."""

    log_level = forms.ChoiceField(
        label="Log from level",
        required=False,
        choices=[(level, level) for level in LEVELS],
        help_text="Lines of func.log below it are not stored.",
    )
    log_sample = forms.IntegerField(
        label="Keep the output of one run in",
        required=False,
        min_value=1,
        max_value=LARGEST_SAMPLE,
        help_text="1 keeps all. Warnings and errors of func.log are kept of every run.",
    )
    hide_arguments = forms.BooleanField(
        label="Do not store arguments",
        required=False,
        help_text="They are sealed while a run is open and removed when it ends.",
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        level, sample, is_hidden = (given.pop(name, None) for name in FIELDS)
        return {**given, "logging": {"level": level or LEVELS[0], "sample": sample or 1, "store_arguments": not is_hidden}}

    def has_logging_errors(self) -> bool:
        return any(name in self.errors for name in FIELDS)


def logging_initial(logging: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, filled with what a version has."""
    whole = {**USUAL, **logging}
    return {"log_level": whole["level"], "log_sample": whole["sample"], "hide_arguments": not whole["store_arguments"]}
