"""Short ways to bring packs to acme and to decide on them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote
from apps.functions.models import Function, FunctionVersion
from apps.packs.models import Release
from apps.packs.plan import Plan
from apps.packs.services import install_pack, look_at_pack
from apps.packs.trees import Tree, read_tree
from apps.vault.services import set_secret


def tree_of(**files: str) -> Tree:
    """Files by their names, in which `__` stands for the dot."""
    return read_tree([(name.replace("__", "."), text.encode()) for name, text in files.items()])


def manifest(name: str = "text-tools", version: str = "1.0", **more: Any) -> str:
    said = "".join(f"{key} = {value!r}\n" for key, value in more.items())
    return f'[pack]\nname = "{name}"\nversion = "{version}"\n{said}'


def marked(source: str, **said: Any) -> str:
    """A function of a pack file."""
    return f"@selfsmith.register_function({', '.join(f'{key}={value!r}' for key, value in said.items())})\n{source}\n"


@pytest.fixture
def install(in_acme: object, cast: SimpleNamespace) -> Callable[..., Release]:
    def bring(tree: Tree, *, actor: Any = None, **more: Any) -> Release:
        release, _ = install_pack(actor=actor or cast.developer, tree=tree, **more)
        release.refresh_from_db()
        return release

    return bring


@pytest.fixture
def look(in_acme: object, cast: SimpleNamespace) -> Callable[..., Plan]:
    return lambda tree, **more: look_at_pack(actor=cast.developer, tree=tree, **more)


@pytest.fixture
def key(in_acme: object, admin: Any) -> Any:
    return set_secret(actor=admin, name="API_KEY", value="correct-horse")


@pytest.fixture
def decide(in_acme: object, cast: SimpleNamespace) -> Callable[..., ApprovalRequest]:
    """The one open request is decided, by the approver unless said otherwise."""

    def vote(decision: str = "approve", reason: str = "Looked at.", by: Any = None) -> ApprovalRequest:
        request = ApprovalRequest.objects.get(state="open")
        given = {"decision": decision, "reason": reason, "shown_digest": request.digest}
        cast_vote(actor=by or cast.approver, request_id=request.pk, **given)
        request.refresh_from_db()
        return request

    return vote


def active(name: str) -> FunctionVersion:
    return FunctionVersion.objects.active().select_related("function").get(function__name=name)


def library() -> list[str]:
    return list(Function.objects.library().order_by("name").values_list("name", flat=True))
