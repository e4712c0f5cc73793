"""The cast and the first task with which a new installation shows what it does."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from apps.accounts.models import User
from apps.agents.models import Task
from apps.agents.services import start_task
from apps.core.tenancy import every_workspace, scope
from apps.llm.library import prepared_scripts
from apps.llm.models import Kind, LanguageModel
from apps.llm.services import ensure_builtin_models
from apps.runs.services import store_upload
from apps.workspaces.models import Membership, Workspace
from apps.workspaces.roles import Role
from apps.workspaces.services import add_member, create_workspace, memberships_of

ACME = {"owner": Role.OWNER, "approver": Role.APPROVER, "developer": Role.DEVELOPER, "viewer": Role.VIEWER}
GLOBEX = {"stranger": Role.OWNER}
FIRST_SCRIPT = "markdown_page"
PASSWORD_BYTES = 12


@dataclass(frozen=True)
class SignIn:
    """A fresh password, which is stored nowhere but as its hash."""

    username: str
    password: str


def seed_demo() -> list[SignIn]:
    """Make what is missing of the cast, give every account of it a new password, start the first task once."""
    sign_ins = [_account(name) for name in (*ACME, *GLOBEX)]
    for slug, roles in (("acme", ACME), ("globex", GLOBEX)):
        _workspace(slug, roles)
    _first_task()
    return sign_ins


def _account(name: str) -> SignIn:
    user, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.com"})
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user.set_password(password)
    user.save(update_fields=["password"])
    return SignIn(name, password)


def _workspace(slug: str, roles: dict[str, Role]) -> None:
    with every_workspace(reason="a workspace that may not exist yet has no scope"):
        standing = Workspace.objects.filter(slug=slug).exists()
    first, *others = roles
    owner = User.objects.get(username=first)
    if not standing:
        create_workspace(slug=slug, name=slug.capitalize(), owner=owner)
    member = _member(owner, slug)
    with scope(member.workspace_id):
        ensure_builtin_models(actor=member)
        for name in others:
            if not Membership.objects.filter(user__username=name).exists():
                add_member(actor=member, user=User.objects.get(username=name), role=roles[name])


def _member(user: User, slug: str) -> Membership:
    return next(member for member in memberships_of(user) if member.workspace.slug == slug)


def _first_task() -> None:
    """On this project's own README, by the model that plays prepared replies; only in a workspace without tasks."""
    owner = _member(User.objects.get(username="owner"), "acme")
    with scope(owner.workspace_id):
        if Task.objects.exists():
            return
        script = next(script for script in prepared_scripts() if script.name == FIRST_SCRIPT)
        readme = store_upload(actor=owner, name="README.md", chunks=_chunks(settings.PROJECT / "README.md"))
        scripted = LanguageModel.objects.get(kind=Kind.SCRIPTED, removed_at=None)
        start_task(actor=owner, title=script.title, prompt=script.prompt, model=scripted, files=[readme])


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(65536):
            yield chunk
