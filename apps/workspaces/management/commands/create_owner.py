"""The first account and workspace of an installation that was started without the demo."""

from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.workspaces.services import create_workspace


class Command(BaseCommand):
    help = "Make an account that owns a new workspace. Asks for a password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument("--email", required=True)
        parser.add_argument("--workspace", required=True, help="slug: letters, digits and dashes")

    def handle(self, *args: Any, username: str, email: str, workspace: str, **options: Any) -> None:
        if User.objects.filter(username=username).exists():
            raise CommandError(f"There is an account {username} already.")
        user = User(username=username, email=email)
        password = getpass("Password: ")
        try:
            validate_password(password, user)
            user.set_password(password)
            user.save()
            create_workspace(slug=workspace, name=workspace, owner=user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{username} owns the workspace {workspace}. Sign in at /accounts/login/.")
