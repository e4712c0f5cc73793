"""Behind a proxy that speaks HTTPS; every secret must be given."""

from config.env import read, read_bool, read_list
from config.logs import logging_settings
from config.settings.base import *  # noqa: F403  settings modules are stacked by star import, as Django documents

SECRET_KEY = read("SELFSMITH_SECRET_KEY")
VAULT_ROOT_KEY = read("SELFSMITH_VAULT_ROOT_KEY")
ALLOWED_HOSTS = read_list("SELFSMITH_HOSTS")
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
METRICS_FROM_LOOPBACK = read_bool("SELFSMITH_METRICS_FROM_LOOPBACK", default=False)
LOGGING = logging_settings(form=read("SELFSMITH_LOG_FORM", "json"), level=read("SELFSMITH_LOG_LEVEL", "INFO"))
