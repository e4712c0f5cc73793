"""The form in which an admin gives somebody a role."""

from django import forms
from django.db.models import Q

from apps.accounts.models import User
from apps.workspaces.roles import Role


class MemberForm(forms.Form):
    """Cleaned: account (a User), role."""

    account = forms.CharField(label="Name or e-mail address of the account", max_length=254)
    role = forms.ChoiceField(label="Role", choices=[(role.value, role.value) for role in Role])

    def clean_account(self) -> User:
        given = self.cleaned_data["account"]
        # E-mail addresses are not unique among accounts: two with one address are nobody in particular.
        found = list(User.objects.filter(Q(username=given) | Q(email__iexact=given), is_active=True)[:2])
        if len(found) != 1:
            raise forms.ValidationError("There is no such account. Whoever runs this installation makes accounts.")
        return found[0]

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])
