"""The form in which a person asks for packages."""

from django import forms


class PackagesForm(forms.Form):
    """Cleaned: requirements (a list of lines), reason."""

    requirements = forms.CharField(label="Packages, one a line", max_length=10_000, widget=forms.Textarea)
    reason = forms.CharField(
        label="What they are for", max_length=2000, widget=forms.Textarea, help_text="Whoever decides reads it."
    )

    def clean_requirements(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["requirements"].splitlines() if line.strip()]
