"""For pytest: the real engines, throw-away keys, a throw-away home."""

import atexit
import base64
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("SELFSMITH_DATABASE_ROLE", "owner")  # creates the test database; row level security is forced on it too
os.environ.setdefault("SELFSMITH_SECRET_KEY", "only-for-tests")
os.environ.setdefault("SELFSMITH_VAULT_ROOT_KEY", base64.b64encode(b"only-for-tests-only-for-tests-32").decode())

from config.settings.base import *  # noqa: F403  the environment above must come first

HOME = Path(tempfile.mkdtemp(prefix="selfsmith-test-"))


@atexit.register
def _remove_home(owner: int = os.getpid()) -> None:
    if os.getpid() == owner:  # not a process that a test forked
        shutil.rmtree(HOME, ignore_errors=True)


STATIC_ROOT = HOME / "static"
STATIC_ROOT.mkdir()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
BOX_IMAGE = os.environ.get("SELFSMITH_BOX_IMAGE", "selfsmith-box:dev")
