"""Behind a proxy that speaks HTTPS and sets X-Forwarded-Proto itself; every secret must be given."""

from config.env import read, read_bool, read_int, read_list
from config.logs import logging_settings
from config.settings.base import *  # noqa: F403  settings modules are stacked by star import, as Django documents

SECRET_KEY = read("SELFSMITH_SECRET_KEY")
VAULT_ROOT_KEY = read("SELFSMITH_VAULT_ROOT_KEY")
ALLOWED_HOSTS = read_list("SELFSMITH_HOSTS")
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
HTTPS = read_bool(
    "SELFSMITH_HTTPS", default=True
)  # "no" only to try it: passwords and sessions then cross the network in the open
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": read("SELFSMITH_MAIL_HOST", "localhost"),
            "port": read_int("SELFSMITH_MAIL_PORT", 25),
            "username": read("SELFSMITH_MAIL_USER", ""),
            "password": read("SELFSMITH_MAIL_PASSWORD", ""),
            "use_tls": read_bool("SELFSMITH_MAIL_TLS", default=False),  # STARTTLS
            "timeout": 10,
        },
    }
}
SILENCED_SYSTEM_CHECKS = ["security.W019"]  # artifacts are shown in frames of our own pages (X_FRAME_OPTIONS in base)
METRICS_FROM_LOOPBACK = read_bool("SELFSMITH_METRICS_FROM_LOOPBACK", default=False)
LOGGING = logging_settings(form=read("SELFSMITH_LOG_FORM", "json"), level=read("SELFSMITH_LOG_LEVEL", "INFO"))
