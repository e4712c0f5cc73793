"""How allauth is bent to this platform."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Nobody signs up unasked: accounts are made by an operator or by an invitation."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
