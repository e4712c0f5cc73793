"""People's accounts and how they sign in (allauth, MFA). Which workspace they may see is not decided here."""
