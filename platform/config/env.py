"""Typed readers of environment variables. A wrong value stops the process; nothing is guessed.

Every name may also be given as NAME_FILE, the path of a file that holds the value (secrets of a container engine come so).
"""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_HOME = CHECKOUT / "var"


def load_environment_file() -> None:
    """Read `environment` in the installation's home into os.environ; what is set already wins."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")
    path = Path(os.environ.get("SELFSMITH_HOME", str(DEFAULT_HOME))) / "environment"
    if not path.is_file():
        return
    for line in path.read_text().splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip())


def read(name: str, default: str | None = None) -> str:
    """Value of NAME, or the content of the file named by NAME_FILE, or the default.

    Raises:
        ImproperlyConfigured: neither is set and there is no default.
    """
    if name in os.environ:
        return os.environ[name]
    if f"{name}_FILE" in os.environ:
        return Path(os.environ[f"{name}_FILE"]).read_text().strip()
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set: give it, or {name}_FILE with the path of a file that holds it.")
    return default


def read_bool(name: str, *, default: bool) -> bool:
    """yes/no, true/false, on/off, 1/0."""
    value = read(name, "yes" if default else "no").lower()
    if value in ("yes", "true", "on", "1"):
        return True
    if value in ("no", "false", "off", "0", ""):
        return False
    raise ImproperlyConfigured(f"{name}={value!r}: write yes or no.")


def read_int(name: str, default: int) -> int:
    value = read(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r}: write a whole number.") from None


def read_list(name: str, default: str = "") -> list[str]:
    """Comma-separated values, blanks dropped."""
    return [item.strip() for item in read(name, default).split(",") if item.strip()]


def read_weights(name: str) -> dict[str, int]:
    """NAME=1,OTHER=3: whole numbers of at least 1 by name."""
    weights = {}
    for item in read_list(name):
        key, _, value = item.partition("=")
        if not key or not value.isascii() or not value.isdigit() or int(value) < 1:
            raise ImproperlyConfigured(f"{name}: {item!r} is no weight; write slug=2.")
        weights[key] = int(value)
    return weights
