"""The variables that every process of an installation runs with, kept in the home's `environment` file (KEY=VALUE)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import image, postgres
from .setup import Setup
from .shape import BOXES
from .system import SYSTEM_FOLDERS, TRUSTED_CERTIFICATES

# What a person may set from outside and what then goes to the processes as it is.
PASSED_ON = (
    "SANDBOX_RUNTIME", "DOCKER_HOST", "SELFSMITH_LOG_LEVEL",
    "SELFSMITH_RUN_QUEUE_SECONDS", "SELFSMITH_RUN_TOTAL_SECONDS", "SELFSMITH_RUN_CHILDREN", "SELFSMITH_RUN_DEPTH",
    "SELFSMITH_WORKSPACE_RUNNING_RUNS", "SELFSMITH_WORKSPACE_QUEUED_RUNS", "SELFSMITH_WORKSPACE_WEIGHTS",
    *BOXES,
)  # fmt: skip
TRUST_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")


def process_environment(setup: Setup, outside: Mapping[str, str]) -> dict[str, str]:
    """The variables by name. Holds no secret: keys are files, and only their paths are here."""
    home = setup.home
    return {
        "SELFSMITH_HOME": str(home.path),
        "SELFSMITH_INSTALLATION": home.installation,
        "SELFSMITH_PORT": str(setup.port),
        "SELFSMITH_SECRET_KEY_FILE": str(home.keys / "django_secret_key"),
        "SELFSMITH_VAULT_ROOT_KEY_FILE": str(home.keys / "vault_root_key"),
        **own_engines(setup),
        "SELFSMITH_BOX_IMAGE": image.tag(),
        "SANDBOX_RUNTIME": "runsc",
        "DJANGO_SETTINGS_MODULE": setup.shape.settings,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONDONTWRITEBYTECODE": "",  # where it is set for the machine, every start would compile everything again
        "PATH": f"{setup.venv / 'bin'}:{SYSTEM_FOLDERS}",
        **{name: outside[name] for name in PASSED_ON if name in outside},
        **setup.shape.variables,
        **trust(outside),
    }


def own_engines(setup: Setup) -> dict[str, str]:
    """Where the engines are that the installation starts itself."""
    home, engines = setup.home, setup.shape.engines
    database = {"SELFSMITH_DATABASE_HOST": str(home.postgres_socket_folder), "SELFSMITH_DATABASE_NAME": postgres.DATABASE}
    queue = {"SELFSMITH_REDIS_URL": f"unix://{home.redis_socket}"}
    return {**(database if "postgres" in engines else {}), **(queue if "redis" in engines else {})}


def trust(outside: Mapping[str, str]) -> dict[str, str]:
    """Makes pip, uv and npm trust the certificates that the machine trusts, not only those that they bring along."""
    chosen = {name: outside[name] for name in TRUST_VARIABLES if name in outside}
    if not TRUSTED_CERTIFICATES.is_file():
        return chosen
    return {**{name: str(TRUSTED_CERTIFICATES) for name in TRUST_VARIABLES}, "UV_SYSTEM_CERTS": "true", **chosen}


def write_environment(setup: Setup) -> dict[str, str]:
    """Writes the file anew and gives what it says."""
    variables = process_environment(setup, os.environ)
    lines = "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))
    setup.home.environment_file.write_text("# Written by the installer at every start; changes are lost.\n" + lines)
    setup.home.environment_file.chmod(0o600)
    return variables
