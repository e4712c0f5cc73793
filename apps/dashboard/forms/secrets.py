"""The form in which an admin writes a secret."""

from django import forms


class SecretForm(forms.Form):
    """The value is write-only: it is never filled in again, not even after a mistake in another field."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="Sealed when you save it. A function that names it is given it once somebody has agreed.",
    )
    purpose = forms.ChoiceField(
        label="For", choices=[("function", "functions"), ("model", "language models")], initial="function", required=False
    )
    value = forms.CharField(
        label="Value",
        strip=False,
        max_length=64 * 1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
    )

    def clean_purpose(self) -> str:
        return self.cleaned_data["purpose"] or "function"
