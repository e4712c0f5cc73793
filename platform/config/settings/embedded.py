"""`make run`: private PostgreSQL and Redis on this machine, plain HTTP on loopback."""

from config.env import read
from config.settings.base import *  # noqa: F403  settings modules are stacked by star import, as Django documents

SECRET_KEY = read("SELFSMITH_SECRET_KEY")
VAULT_ROOT_KEY = read("SELFSMITH_VAULT_ROOT_KEY")
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
