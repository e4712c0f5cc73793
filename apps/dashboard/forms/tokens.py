"""The form in which a member makes a token."""

from datetime import timedelta
from typing import Any

from django import forms

from apps.workspaces.models import Membership
from apps.workspaces.roles import TOKEN_SCOPES, Permission

LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("0", "until it is revoked")]


TEXTS = {
    Permission.VIEW: "Look: at everything here but secrets (every token may)",
    Permission.RUN: "Run functions and stop runs",
    Permission.PROPOSE: "Write drafts and ask for packages, hosts, secrets, and for drafts to be kept",
    Permission.DEVELOP: "Write functions that count at once, rules, schedules, documents; start tasks",
    Permission.ADMINISTER: "Do what admins do by the API, such as deleting functions",
}


class TokenForm(forms.Form):
    """Cleaned: name, scopes, functions (names); `lifetime()` is None for one without an end."""

    name = forms.CharField(label="What it is for", max_length=100)
    days = forms.ChoiceField(label="How long", choices=LIFETIMES, initial="90")
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one thing that it may do."},
    )
    functions = forms.CharField(
        label="Only these functions",
        required=False,
        max_length=10_000,
        help_text="Names, with commas between them. Then it may only look, and run these. Leave it empty for all.",
    )

    def __init__(self, data: Any = None, *, member: Membership) -> None:
        super().__init__(data, initial={"scopes": [Permission.VIEW.value, Permission.RUN.value]})
        choices = [(scope.value, TEXTS[scope]) for scope in TOKEN_SCOPES if member.role_allows(scope)]
        self.fields["scopes"].choices = choices  # type: ignore[attr-defined]

    def clean_functions(self) -> list[str]:
        return [name.strip() for name in self.cleaned_data["functions"].split(",") if name.strip()]

    def lifetime(self) -> timedelta | None:
        days = int(self.cleaned_data["days"])
        return timedelta(days=days) if days else None
