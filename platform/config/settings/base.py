"""Everything that is the same wherever Selfsmith runs."""

from pathlib import Path

import django_stubs_ext
from django.utils.csp import CSP
from kombu import Queue
from psycopg_pool.base import AttemptWithBackoff

from config import connections
from config.env import CHECKOUT, DEFAULT_HOME, read, read_bool, read_int, read_list, read_weights
from config.logs import logging_settings

django_stubs_ext.monkeypatch()  # lets ModelAdmin[Model] and kin be written at run time

PROJECT = CHECKOUT  # the folder of manage.py
HOME = Path(read("SELFSMITH_HOME", str(DEFAULT_HOME)))
INSTALLATION = read("SELFSMITH_INSTALLATION", "local")  # labels containers; a sweeper touches its own only

SECRET_KEY = read("SELFSMITH_SECRET_KEY", "")
DEBUG = False
ALLOWED_HOSTS = read_list("SELFSMITH_HOSTS", "127.0.0.1,localhost,[::1]")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "channels",
    "django_htmx",
    "ninja",
    "apps.core",
    "apps.audit",
    "apps.accounts",
    "apps.workspaces",
    "apps.vault",
    "apps.approvals",
    "apps.llm",
    "apps.packages",
    "apps.functions",
    "apps.runs",
    "apps.store",
    "apps.triggers",
    "apps.packs",
    "apps.agents",
    "apps.monitoring",
    "apps.api",
    "apps.mcp",
    "apps.dashboard",
]

MIDDLEWARE = [
    "apps.monitoring.middleware.ProbesMiddleware",
    "apps.monitoring.middleware.RequestLogMiddleware",
    "apps.api.middleware.ProblemsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.workspaces.middleware.WorkspaceMiddleware",
    "apps.workspaces.middleware.OperatorMiddleware",
    "apps.api.middleware.RateLimitMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [CHECKOUT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.dashboard.context.page",
            ],
        },
    }
]

# The application's own role neither owns the tables nor bypasses row level security; only migrations use the owner's.
DATABASE_ROLE = read("SELFSMITH_DATABASE_ROLE", "app")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": read("SELFSMITH_DATABASE_NAME", "selfsmith"),
        "USER": f"selfsmith_{DATABASE_ROLE}",
        "PASSWORD": read("SELFSMITH_DATABASE_PASSWORD", ""),
        "HOST": read("SELFSMITH_DATABASE_HOST", str(HOME / "postgres")),
        "PORT": read("SELFSMITH_DATABASE_PORT", "5432"),
        # Under ASGI each request has its own thread, and a run has three: they borrow from the process's pool. A new connection
        # would cost PostgreSQL some 10 ms of processor time, most of it for what it learns of the tables again.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            "connect_timeout": 5,
            # PostgreSQL plans a statement that it has met before only once. Planning was a third of its work for a run.
            "server_side_binding": True,
            "prepare_threshold": 3,
            "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
            "pool": {
                "check": connections.check,
                "min_size": 1,
                "max_size": read_int("SELFSMITH_DATABASE_CONNECTIONS", 20),  # of one process
                "timeout": 5,
                "max_lifetime": 300,  # a migration that changes a column's type leaves a connection's prepared statements useless
                "reconnect_timeout": 5,
            },
        },
    }
}
# The pool would try again after one second, two, four: a PostgreSQL that is back would go unused for as long as it was away.
AttemptWithBackoff.INITIAL_DELAY, AttemptWithBackoff.DELAY_BACKOFF = 0.1, 1.0  # seconds, and no growth
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = read("SELFSMITH_REDIS_URL", f"unix://{HOME / 'redis' / 'redis.sock'}")
CHANNEL_LAYERS = {
    "default": {
        # The pub/sub layer has no per-channel capacity after which messages are dropped unseen.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": f"selfsmith-{INSTALLATION}"},
    }
}
CACHES = {
    # Shared by all web processes: the limits on tries to sign in are counted here.
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": f"selfsmith-{INSTALLATION}",
    }
}
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "selfsmith"
# A message only wakes: the scheduler repeats what is lost. Keeping each until it is acknowledged costs a worker as much as a run.
CELERY_TASK_QUEUES = [Queue(CELERY_TASK_DEFAULT_QUEUE, no_ack=True)]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = read_int("SELFSMITH_WORKER_CONCURRENCY", 8)  # threads: each waits for a box, a model or the index
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_TASK_PUBLISH_RETRY = False

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "apps.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "apps.dashboard.errors.csrf_failure"
X_FRAME_OPTIONS = "SAMEORIGIN"  # artifacts are previewed in a sandboxed frame of the same origin

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "frame-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.SELF],
    "manifest-src": [CSP.SELF],
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(read("SELFSMITH_STATIC", str(HOME / "static")))
NODE_MODULES = CHECKOUT / "node_modules"
STATICFILES_DIRS = [CHECKOUT / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
UPLOAD_MAX_BYTES = read_int("SELFSMITH_UPLOAD_MAX_BYTES", 16 * 1024 * 1024)  # of one file
REQUEST_MAX_BYTES = 4 * UPLOAD_MAX_BYTES + 2 * 1024 * 1024  # a task may bring several

SANDBOX_RUNTIME = read("SANDBOX_RUNTIME", "runsc")
BOX_IMAGE = read("SELFSMITH_BOX_IMAGE", "")
RUNNER_FOLDER = read("SELFSMITH_RUNNER_FOLDER", "")  # of workers in containers: the engine sees it under the same path
BOXES_MIN = read_int("SELFSMITH_BOXES_MIN", 2)  # wait in every worker; 0 to start each for its run
BOXES_MAX = read_int("SELFSMITH_BOXES_MAX", 8)  # wait while there is demand; 28 MiB each
BOXES_AGE_SECONDS = read_int("SELFSMITH_BOXES_AGE", 600)
BOXES_STARTS = read_int("SELFSMITH_BOXES_STARTS", 4)  # at a time; more are not faster on two cores
BOXES_WAIT_SECONDS = read_int("SELFSMITH_BOXES_WAIT", 30)
BOXES_KEPT_MAX = read_int("SELFSMITH_BOXES_KEPT_MAX", 8)  # between runs of functions that keep their box
BOXES_KEPT_RUNS = read_int("SELFSMITH_BOXES_KEPT_RUNS", 50)
BOXES_KEPT_IDLE_SECONDS = read_int("SELFSMITH_BOXES_KEPT_IDLE", 60)
LEASE_SECONDS = read_int("SELFSMITH_LEASE_SECONDS", 15)
RUN_QUEUE_SECONDS = read_int(
    "SELFSMITH_RUN_QUEUE_SECONDS", 24 * 3600
)  # how long a run waits for a worker, if its start says nothing
RUN_TOTAL_SECONDS = read_int("SELFSMITH_RUN_TOTAL_SECONDS", 7 * 24 * 3600)  # with all attempts and pauses
RUN_CHILDREN = read_int("SELFSMITH_RUN_CHILDREN", 100)  # runs that one run and what it started may start
RUN_DEPTH = read_int("SELFSMITH_RUN_DEPTH", 8)  # of runs that start runs
TRIGGER_DEPTH = read_int("SELFSMITH_TRIGGER_DEPTH", 8)  # of rules that start one another
TRIGGER_CHAIN_RUNS = read_int("SELFSMITH_TRIGGER_CHAIN_RUNS", 100)  # that rules start because of one first event
TRIGGER_FAN_OUT = read_int("SELFSMITH_TRIGGER_FAN_OUT", 50)  # rules that wait for the same events
TRIGGER_EVENTS_PER_RUN = read_int("SELFSMITH_TRIGGER_EVENTS_PER_RUN", 100)  # told by its code
TRIGGER_QUEUE = read_int("SELFSMITH_TRIGGER_QUEUE", 10_000)  # events of a workspace that wait for rules
WEBHOOK_MAX_BYTES = read_int("SELFSMITH_WEBHOOK_MAX_BYTES", 1024 * 1024)  # of a body; a webhook may take less
WEBHOOK_WAIT_SECONDS = read_int("SELFSMITH_WEBHOOK_WAIT", 30)  # a sender may wait for what comes of it
WEBHOOK_WAITING = read_int("SELFSMITH_WEBHOOK_WAITING", 100)  # senders that wait, in one web process
WORKSPACE_RUNNING_RUNS = read_int("SELFSMITH_WORKSPACE_RUNNING_RUNS", 50)
WORKSPACE_QUEUED_RUNS = read_int("SELFSMITH_WORKSPACE_QUEUED_RUNS", 10_000)
WORKSPACE_WEIGHTS = read_weights("SELFSMITH_WORKSPACE_WEIGHTS")  # acme=2,globex=1: acme's runs get twice the places
# Requests by REST and MCP of one token, or one member without one, and of all of a workspace; empty for no limit.
RATE_PER_MEMBER = read("SELFSMITH_RATE_PER_MEMBER", "6000/minute")
RATE_PER_WORKSPACE = read("SELFSMITH_RATE_PER_WORKSPACE", "30000/minute")
MCP_ORIGINS = read_list("SELFSMITH_MCP_ORIGINS")  # of pages elsewhere that may use /mcp: https://client.example
VAULT_ROOT_KEY = read("SELFSMITH_VAULT_ROOT_KEY", "")
PACKAGES_INDEX = read("SELFSMITH_PACKAGES_INDEX", "https://pypi.org/simple")
PACKAGES_COOLDOWN_DAYS = read_int("SELFSMITH_PACKAGES_COOLDOWN_DAYS", 7)
ENVIRONMENTS_KEEP_DAYS = read_int("SELFSMITH_ENVIRONMENTS_KEEP_DAYS", 30)  # unused for so long, built again when needed
ORPHANS_KEEP_HOURS = read_int("SELFSMITH_ORPHANS_KEEP_HOURS", 24)  # files that no row names: what was being stored is younger
DISK_MIN_FREE_BYTES = read_int("SELFSMITH_DISK_MIN_FREE_BYTES", 2 * 1024**3)  # with less, unused environments go at once
HOST_NAME = read("SELFSMITH_HOST_NAME", "")  # of this worker's disk, where the machine's own name does not tell
# Names that tools may be granted though they are at addresses which are not public: `name`, or `name:port`.
EGRESS_ALLOWED_LOCAL_HOSTS = read_list("SELFSMITH_EGRESS_ALLOWED_LOCAL_HOSTS")
LLM_ALLOWED_LOCAL_HOSTS = read_list("SELFSMITH_LLM_ALLOWED_LOCAL_HOSTS")
LLM_PROVIDERS = read_list(
    "SELFSMITH_LLM_PROVIDERS"
)  # empty: those that need nothing but a key (apps/llm/providers.py); * for all
SCRIPTED_TRACEBACK_WITHHELD = read_bool("SELFSMITH_WITHHOLD_TRACEBACK", default=False)

ALERT_MAIL = read_list("SELFSMITH_ALERT_MAIL")
ALERT_WEBHOOK = read("SELFSMITH_ALERT_WEBHOOK", "")
ALERT_ALLOWED_LOCAL_HOSTS = read_list("SELFSMITH_ALERT_ALLOWED_LOCAL_HOSTS")
ALERT_QUEUE_SECONDS = read_int("SELFSMITH_ALERT_QUEUE_SECONDS", 300)
ALERT_FREE_MIB = read_int("SELFSMITH_ALERT_FREE_MIB", 2048)
DEFAULT_FROM_EMAIL = read("SELFSMITH_MAIL_FROM", "selfsmith@localhost")
METRICS_TOKEN = read("SELFSMITH_METRICS_TOKEN", "")
METRICS_FROM_LOOPBACK = read_bool("SELFSMITH_METRICS_FROM_LOOPBACK", default=True)  # not through a proxy on this machine

LOGGING = logging_settings(form=read("SELFSMITH_LOG_FORM", "plain"), level=read("SELFSMITH_LOG_LEVEL", "INFO"))
