"""The form in which a member makes a token."""

from datetime import timedelta

from django import forms

LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("0", "until it is revoked")]


class TokenForm(forms.Form):
    """Cleaned: name, lifetime (None: without an end)."""

    name = forms.CharField(label="What it is for", max_length=100)
    days = forms.ChoiceField(label="How long", choices=LIFETIMES, initial="30")

    def lifetime(self) -> timedelta | None:
        days = int(self.cleaned_data["days"])
        return timedelta(days=days) if days else None
