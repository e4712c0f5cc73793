"""The operator's pages for secrets: add, rotate, delete. They never show a value, not even one that was refused."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.vault.models import Purpose, Secret
from apps.vault.services import Operator, check_name, check_value, delete_secret, rotate_secret, set_secret
from apps.workspaces.models import Workspace

SHOWN = ("name", "workspace", "purpose", "fingerprint", "current_version", "rotated_at", "last_used_at")


class WriteOnlyTextarea(forms.Textarea):
    """Takes text, several lines if need be, and is empty whenever it is drawn."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class RotateForm(forms.ModelForm[Secret]):
    """Gives an existing secret another value."""

    value = forms.CharField(
        label="New value",
        strip=False,
        widget=WriteOnlyTextarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text="At least 8 characters. It is encrypted and cannot be read back.",
    )

    class Meta:
        model = Secret
        fields: list[str] = []

    def clean_value(self) -> str:
        return _checked(check_value, self.cleaned_data["value"])

    def _post_clean(self) -> None:
        """The services fill and check the row, not the form."""


class AddForm(RotateForm):
    """A new secret, or a new value for one of that name."""

    into = forms.ModelChoiceField(Workspace.objects.all(), label="Workspace")  # the model's own field is not editable
    name = forms.CharField(max_length=64)
    purpose = forms.ChoiceField(choices=[(purpose.value, f"for a {purpose.value}") for purpose in Purpose])
    field_order = ("into", "name", "purpose", "value")

    def clean_name(self) -> str:
        return _checked(check_name, self.cleaned_data["name"])


@admin.register(Secret)
class SecretAdmin(admin.ModelAdmin[Secret]):
    """Every change goes through the vault's services, which check, encrypt and record it."""

    list_display = SHOWN
    list_filter = ["workspace", "purpose"]
    search_fields = ["name"]
    actions = None  # deleting many at once would pass by the services

    @method_decorator(sensitive_post_parameters("value"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(*args, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Secret | None = None) -> tuple[str, ...]:
        return SHOWN if obj else ()

    def get_form(self, request: HttpRequest, obj: Secret | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  Django's
        return super().get_form(request, obj, change, **{**kwargs, "form": RotateForm if obj else AddForm})

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:  # noqa: FBT001  Django's
        operator, given = _operator(request), form.cleaned_data
        with scope(obj.workspace_id if change else given["into"].pk):
            if change:
                rotate_secret(actor=operator, secret_id=obj.pk, value=given["value"])
            else:
                obj.pk = set_secret(actor=operator, name=given["name"], value=given["value"], purpose=given["purpose"]).pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Secret) -> None:
        with scope(obj.workspace_id):
            delete_secret(actor=_operator(request), secret_id=obj.pk)


def _operator(request: HttpRequest) -> Operator:
    assert isinstance(request.user, User)  # the admin site lets nobody else in
    return Operator(request.user)


def _checked(check: Callable[[str], None], given: str) -> str:
    try:
        check(given)
    except DomainError as error:
        raise forms.ValidationError(error.message) from None
    return given
