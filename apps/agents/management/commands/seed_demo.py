"""Makes the cast of accounts with new passwords, and the first task."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.agents.demo import seed_demo


class Command(BaseCommand):
    help = "Make the accounts owner, approver, developer, viewer (acme) and stranger (globex) with new passwords."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--passwords-to", required=True, help="a file for the sign-ins as JSON lines; - is standard output")

    def handle(self, *args: Any, passwords_to: str, **options: Any) -> None:
        lines = "".join(json.dumps(vars(sign_in)) + "\n" for sign_in in seed_demo())
        if passwords_to == "-":
            sys.stdout.write(lines)
        else:
            path = Path(passwords_to)
            path.touch(mode=0o600)
            path.write_text(lines)
