"""The form in which a member makes a token."""

from datetime import timedelta

from django import forms

LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "until it is revoked")]


class TokenForm(forms.Form):
    """Cleaned: name, lifetime (None: without an end)."""

    name = forms.CharField(label="What it is for", max_length=100)
    days = forms.ChoiceField(label="How long", choices=LIFETIMES, initial="30", required=False)

    def lifetime(self) -> timedelta | None:
        days = self.cleaned_data["days"]
        return timedelta(days=int(days)) if days else None
