"""The form in which a person writes a function."""

from typing import Any

from django import forms
from django.http import QueryDict

from apps.dashboard.forms.handling import HandlingForm, handling_initial
from apps.dashboard.forms.limits import LimitsForm, limit_initial
from apps.dashboard.forms.logging import LoggingForm, logging_initial
from apps.functions.definition import RETRY
from apps.functions.editing import Basis
from apps.functions.examples import Example, InvalidExample, example_lines, parse_examples
from apps.functions.models import Function, FunctionVersion, Isolation, RetryClass
from apps.functions.services import LONGEST_NOTE, details_digest

RETRY_CHOICES = (
    ("", "As usual: when it was lost, unless it has secrets or hosts"),
    (RetryClass.NEVER, "Never"),
    (RetryClass.ON_LOST, "When its worker or box vanished"),
    (RetryClass.ON_ERROR, "Also after an error of its own"),
)


class FunctionForm(HandlingForm, LoggingForm, LimitsForm):
    """Name, source, limits and what goes with it. The lists come as one entry a line, or parted by commas."""

    name = forms.CharField(
        label="Name",
        required=False,
        max_length=100,
        help_text="The function in the source that is called. The last one if empty.",
    )
    source = forms.CharField(label="Source", strip=False, widget=forms.Textarea)
    description = forms.CharField(label="What it is for", required=False, max_length=2000, widget=forms.Textarea)
    requirements = forms.CharField(label="Packages, one a line", required=False, max_length=10_000, widget=forms.Textarea)
    hosts = forms.CharField(
        label="Hosts it reaches, one a line",
        required=False,
        max_length=6_000,
        widget=forms.Textarea,
        help_text="Exact names, such as api.example.org, for HTTPS; name:80 for plain HTTP. Without any it has no network.",
    )
    secrets = forms.CharField(
        label="Secrets it reads",
        required=False,
        max_length=2_000,
        help_text="Names of the workspace's secrets for functions. Each is an environment variable of that name.",
    )
    dependencies = forms.CharField(
        label="Functions it calls",
        required=False,
        max_length=10_000,
        help_text="Found by themselves; name them to have them compared. name@2 keeps to version 2, whichever is active.",
    )
    retry_class = forms.ChoiceField(
        label="Try a run again",
        required=False,
        choices=RETRY_CHOICES,
        help_text="A limit that was reached is never tried again, and three lost workers end a run.",
    )
    max_attempts = forms.IntegerField(label="Attempts", required=False, help_text="After errors, at most. 5 if empty.")
    backoff_seconds = forms.IntegerField(
        label="First pause, seconds", required=False, help_text="Up to this long; doubles each time. 5 if empty."
    )
    backoff_cap_seconds = forms.IntegerField(label="Longest pause, seconds", required=False, help_text="300 if empty.")
    examples = forms.CharField(
        label="Examples, one a line",
        required=False,
        max_length=100_000,
        widget=forms.Textarea,
        help_text='Arguments and what they must give, as JSON; {"text": 1} => raises TypeError; or a condition in CEL: '
        '{"text": "a"} => holds size(result) == 1',
    )
    tags = forms.CharField(label="Tags", required=False, max_length=1000, help_text="Parted by commas.")
    keeps_box = forms.BooleanField(
        label="Keep its box between runs",
        required=False,
        help_text="Faster for short runs. Each still gets a fresh process and empty folders; only runs of this workspace with "
        "the same code, packages and secrets follow each other in a box.",
    )
    imports_first = forms.BooleanField(
        label="Do its imports beforehand",
        required=False,
        help_text="For functions whose packages take long to import. After a run a box for the next one waits in which that is "
        "done, without arguments, secrets and a way out. For a minute; then nobody needs it.",
    )

    def clean_source(self) -> str:
        return str(self.cleaned_data["source"]).replace("\r\n", "\n")

    def clean_requirements(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["requirements"].splitlines() if line.strip()]

    def clean_hosts(self) -> list[str]:
        return _parted(self.cleaned_data["hosts"])

    def clean_secrets(self) -> list[str]:
        return _parted(self.cleaned_data["secrets"])

    def clean_examples(self) -> list[Example]:
        try:
            return parse_examples(self.cleaned_data["examples"])
        except InvalidExample as error:
            raise forms.ValidationError(error.message) from error

    def clean_dependencies(self) -> list[str]:
        return _parted(self.cleaned_data["dependencies"])

    def retry(self) -> tuple[RetryClass | None, dict[str, int]]:
        """The class that was chosen, None for the usual one, and what was filled in beside it."""
        chosen = self.cleaned_data["retry_class"]
        given = {name: self.cleaned_data[name] for name in RETRY if self.cleaned_data[name] is not None}
        return RetryClass(chosen) if chosen else None, given

    def clean_tags(self) -> list[str]:
        return _parted(self.cleaned_data["tags"])

    def isolation(self) -> Isolation:
        """What the checked form asks for."""
        return Isolation.FUNCTION if self.cleaned_data["keeps_box"] else Isolation.RUN


class VersionForm(FunctionForm):
    """A further version: the name stays. What the author began with comes back with it, so that nothing is overwritten unseen."""

    name = None  # type: ignore[assignment]  # Django's way to leave out a field of a base form
    note = forms.CharField(
        label="What is new", required=False, max_length=LONGEST_NOTE, help_text="One line for the history of versions."
    )
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)
    newest_seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    details_seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def basis(self) -> Basis | None:
        """None where the form does not say what it was filled with."""
        number, newest = self.cleaned_data["based_on"], self.cleaned_data["newest_seen"]
        return None if number is None else Basis(number, number if newest is None else newest)

    def catch_up(self, **seen: Any) -> None:
        """Sent once more, it knows what its author was told just now."""
        self.data = {**self.data.dict(), **seen} if isinstance(self.data, QueryDict) else {**self.data, **seen}


class DeletionForm(forms.Form):
    """Asks for the name, which nobody types by mistake."""

    name = forms.CharField(label="Type its name", max_length=100, strip=True)


def version_initial(function: Function, version: FunctionVersion | None, newest: int) -> dict[str, Any]:
    """The form of a further version, filled with one that there is; `newest` is the number of the last one."""
    initial: dict[str, Any] = {"description": function.description, "tags": ", ".join(function.tags)}
    initial |= {"details_seen": details_digest(function), "newest_seen": newest}
    if version is not None:
        initial |= {"based_on": version.number}
        initial |= {"dependencies": " ".join(f"{name}@{number}" for name, number in sorted(version.pins.items()))}
        initial |= {"source": version.source, "requirements": "\n".join(version.requirements)}
        initial |= {"examples": "\n".join(example_lines(version.examples))}
        initial |= limit_initial(version.limits)
        initial |= {"keeps_box": version.isolation == Isolation.FUNCTION, "imports_first": version.imports_first}
        initial |= {"retry_class": version.retry_class, **version.retry}
        initial |= logging_initial(version.logging)
        initial |= handling_initial(version.handling)
        initial |= {"hosts": "\n".join(version.hosts), "secrets": " ".join(version.secrets)}
    return initial


def _parted(text: str) -> list[str]:
    return [part for part in text.replace(",", " ").split() if part]
