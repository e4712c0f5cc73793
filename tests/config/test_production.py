"""Settings of production: safe by themselves, and plain HTTP only where somebody asked for it by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
GIVEN = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SELFSMITH_SECRET_KEY": "k" * 60 + "0123456789",
    "SELFSMITH_VAULT_ROOT_KEY": "a2V5",
    "SELFSMITH_HOSTS": "selfsmith.example.com",
}
ASK = """
from django.conf import settings as s
print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS)
"""


def ask(home: Path, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": os.environ["PATH"], "SELFSMITH_HOME": str(home), **GIVEN, **given}
    return subprocess.run([sys.executable, *words], cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=False)


def test_djangos_own_check_for_deployment_finds_nothing(tmp_path: Path) -> None:
    done = ask(tmp_path, "manage.py", "check", "--deploy", "--fail-level=WARNING")
    assert done.returncode == 0, done.stderr


def test_sessions_travel_by_https_only_unless_the_operator_says_no(tmp_path: Path) -> None:
    assert ask(tmp_path, "-c", ASK).stdout.split() == ["True", "True", "True", "31536000"]
    assert ask(tmp_path, "-c", ASK, SELFSMITH_HTTPS="no").stdout.split() == ["False", "False", "False", "0"]


@pytest.mark.parametrize("missing", ["SELFSMITH_SECRET_KEY", "SELFSMITH_VAULT_ROOT_KEY"])
def test_a_secret_that_is_missing_stops_the_process_with_its_name(tmp_path: Path, missing: str) -> None:
    variables = {"PATH": os.environ["PATH"], "SELFSMITH_HOME": str(tmp_path), **GIVEN}
    del variables[missing]
    done = subprocess.run([sys.executable, "-c", ASK], cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{missing} is not set" in done.stderr
