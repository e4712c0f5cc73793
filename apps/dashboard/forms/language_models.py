"""The form in which an admin makes a model known."""

from django import forms


class LanguageModelForm(forms.Form):
    """The key is write-only: it is never shown again, not even after a mistake in another field."""

    name = forms.CharField(label="Name here", max_length=100)
    model = forms.CharField(
        label="Model",
        max_length=200,
        help_text="As litellm names it: anthropic/…, openai/…, ollama_chat/…; with an address, the server's name for it.",
    )
    base_url = forms.CharField(
        label="Address",
        required=False,
        max_length=500,
        help_text="Of an OpenAI-compatible or Ollama server. Empty: the provider's own.",
    )
    api_key = forms.CharField(
        label="Key",
        required=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
    )
    is_default = forms.BooleanField(label="Use it for tasks where nobody chooses another", required=False, initial=True)


class KeyForm(forms.Form):
    """Another key for a model that has one."""

    api_key = forms.CharField(
        label="New key", max_length=1000, widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False)
    )
