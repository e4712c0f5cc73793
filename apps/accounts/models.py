"""The account."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from apps.core.ids import uuid7


class User(AbstractUser):
    """A person. `is_staff` marks an operator of the installation, which is no role in any workspace."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    def __str__(self) -> str:
        return self.username
