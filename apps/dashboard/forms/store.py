"""The form in which a person writes a document of the store."""

from typing import Any

from django import forms

from apps.core.errors import Invalid
from apps.core.json_values import read_json
from apps.store.values import LONGEST_KEY

LONGEST_TEXT = 1_000_000  # characters: with its blanks a document may be written longer than it is kept


class DocumentForm(forms.Form):
    """Cleaned: collection, key, value (of any JSON type), seen (the revision that was shown; "" for a new document)."""

    collection = forms.CharField(
        label="Collection", max_length=100, help_text="Letters, digits, dots, dashes and underscores. A new name makes a new one."
    )
    key = forms.CharField(label="Key", max_length=LONGEST_KEY)
    value = forms.CharField(label="Value, as JSON", strip=False, max_length=LONGEST_TEXT, widget=forms.Textarea)

    def clean_value(self) -> Any:
        try:
            return read_json(self.cleaned_data["value"])
        except Invalid as refusal:
            raise forms.ValidationError(refusal.message) from refusal


class ChangeForm(DocumentForm):
    """Of a document that there is: where it lies stays, and it must still be what the page has shown."""

    collection = None  # type: ignore[assignment]  # how Django takes a field away
    key = None  # type: ignore[assignment]
    seen = forms.UUIDField(widget=forms.HiddenInput)


class DeleteForm(forms.Form):
    """Cleaned: seen (the revision that the page has shown)."""

    seen = forms.UUIDField(required=False)
