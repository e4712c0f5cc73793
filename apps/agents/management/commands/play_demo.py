"""Plays the people of the demo over HTTP against a running installation, and ends in one line of JSON."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.agents.demo_play import DemoFailed, find_fault, play


class Command(BaseCommand):
    help = "Watch the first task as owner, approve its packages as approver, and tell how it ended."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", required=True)
        parser.add_argument("--sign-ins", required=True, help="JSON lines of seed_demo; - is standard input")
        parser.add_argument("--seconds", type=float, default=300.0, help="how long the whole may take")

    def handle(self, *args: Any, url: str, sign_ins: str, seconds: float, **options: Any) -> None:
        text = sys.stdin.read() if sign_ins == "-" else Path(sign_ins).read_text()
        passwords = {each["username"]: each["password"] for each in map(json.loads, text.splitlines())}
        try:
            ended = play(url, passwords, seconds=seconds, say=self._say)
        except DemoFailed as error:
            raise CommandError(str(error)) from error
        if fault := find_fault(ended):
            self.stderr.write(fault)
        self._say(json.dumps(ended))
        if fault:
            sys.exit(1)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
