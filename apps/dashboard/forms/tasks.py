"""The forms of tasks: start one, answer its question, play its model."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms

from apps.agents.prompts import TOOLS
from apps.agents.services import PROMPT_CHARACTERS
from apps.dashboard.forms.files import FilesField
from apps.dashboard.gallery import find_script
from apps.llm.library import prepared_scripts
from apps.llm.models import Kind, LanguageModel

KIND_NOTES = {Kind.SCRIPTED: "prepared replies, no model is called", Kind.PERSON: "you play the model"}


class NewTaskForm(forms.Form):
    """An example of the gallery or a prompt of one's own. Cleaned: title, prompt, model, script (None for one's own)."""

    example = forms.CharField(required=False, widget=forms.HiddenInput)
    prompt = forms.CharField(label="What is to be done", required=False, max_length=PROMPT_CHARACTERS, widget=forms.Textarea)
    files = FilesField(  # type: ignore[assignment]  # fields are no attributes of the form, whose `files` is the request's
        label="Files to work on", required=False, help_text="Without a file, an example works on one of its own."
    )
    model = forms.ChoiceField(label="Model", required=False)

    def __init__(self, *args: Any, models: Sequence[LanguageModel], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._models = {str(model.pk): model for model in models}
        self._default = next((model for model in models if model.is_default), None)
        usual = f"The default: {self._default}" if self._default else "Prepared replies for an example"
        choices = [("", usual), *((key, _label(model)) for key, model in self._models.items())]
        self.fields["model"].choices = choices  # type: ignore[attr-defined]  # fields are declared as plain Field

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        script = find_script(given["example"]) if given.get("example") else None
        if given.get("example") and script is None:
            self.add_error(None, "There is no such example.")
        prompt = given.get("prompt") or (script.prompt if script else "")
        if not prompt:
            self.add_error("prompt", "Say what is to be done, or choose an example.")
        model = self._model(prompt, is_example=script is not None)
        return {"title": script.title if script else "", "prompt": prompt, "model": model, "script": script}

    def _model(self, prompt: str, *, is_example: bool) -> LanguageModel | None:
        scripted = next((model for model in self._models.values() if model.kind == Kind.SCRIPTED), None)
        chosen = self._models.get(self.cleaned_data.get("model", "")) or self._default or (scripted if is_example else None)
        is_prepared = any(script.is_for(prompt) for script in prepared_scripts())
        if chosen is None or (chosen.kind == Kind.SCRIPTED and not is_prepared):
            self.add_error("model", self._what_to_do())
        return chosen

    def _what_to_do(self) -> str:
        person = next((model.name for model in self._models.values() if model.kind == Kind.PERSON), None)
        play = f" Or choose “{person}” here and play the model yourself." if person else ""
        return (
            f"Replies are prepared for the examples only. For a task of your own, add a language model on the models page.{play}"
        )


class AnswerForm(forms.Form):
    """What a person answers to an agent's question."""

    answer = forms.CharField(label="Your answer", max_length=PROMPT_CHARACTERS, widget=forms.Textarea)


class TurnForm(forms.Form):
    """A person's turn as the model. Cleaned: tool, arguments (a dict), text. The loop checks the arguments against the tool."""

    tool = forms.ChoiceField(
        label="Tool to call",
        required=False,
        choices=[("", "none, only say something"), *((spec.name, spec.name) for spec in TOOLS)],
    )
    arguments = forms.CharField(label="Arguments, as a JSON object", required=False, initial="{}", widget=forms.Textarea)
    text = forms.CharField(label="What the model says", required=False, max_length=PROMPT_CHARACTERS, widget=forms.Textarea)

    def clean_arguments(self) -> dict[str, Any]:
        try:
            value = json.loads(self.cleaned_data["arguments"] or "{}")
        except (ValueError, RecursionError):
            raise forms.ValidationError('This is no JSON. Write an object such as {"name": "count_words"}.') from None
        if not isinstance(value, dict):
            raise forms.ValidationError("This must be a JSON object: names with their values.")
        return value

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not given.get("tool") and not given.get("text") and not self.errors:
            self.add_error(None, "Choose a tool, or say something.")
        return given


def _label(model: LanguageModel) -> str:
    return f"{model.name}: {KIND_NOTES.get(Kind(model.kind), model.model)}"
