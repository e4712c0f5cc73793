"""A field for any number of files."""

from typing import Any

from django import forms


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Only draws the input: the files are read and checked by uploads.store_files."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> None:
        """A form keeps one file of a name, so there is nothing here to look at."""
