"""House rules of the code itself: sizes, who opens transactions, who sees every workspace, who sends messages."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
LONGEST_FUNCTION = 60  # lines
LONGEST_MODULE = 500  # lines

# Work that is not confined to one workspace, and why no workspace can be named there. A new line needs a reviewer's eye:
# whatever it reads or writes, row level security lets it.
EVERY_WORKSPACE = {
    "apps.agents.demo._workspace": "a workspace that may not exist yet has no scope",
    "apps.agents.loop.sweep_tasks": "the sweep looks for ages that are over",
    "apps.approvals.expiry.expire_requests": "the sweep looks for requests whose time is over",
    "apps.audit.services.seal_records": "the scheduler seals every workspace's chain",
    "apps.core.leases.claim": "a worker takes the next row of any workspace",
    "apps.core.leases.count_due": "the scheduler counts what is due",
    "apps.core.leases.scope_of": "the operator's own work belongs to no workspace",
    "apps.core.leases.sweep": "the sweep looks for vanished workers",
    "apps.monitoring.backup._root_keys": "a backup says which root keys it needs",
    "apps.monitoring.engines._find_in_files": "an operator's check looks for files of every workspace and names none",
    "apps.monitoring.measures.take_measures": "an operator's figures count rows of every workspace and name none",
    "apps.packages.collection._released": "environments are shared: what one workspace releases another may keep",
    "apps.packages.collection.collect_wheels": "wheels are public files and are shared",
    "apps.packages.work._standing_environment": "environments hold public files and are shared",
    "apps.runs.after_restore.end_what_may_have_happened": "a restored installation's waiting runs are of every workspace",
    "apps.runs.attacks.operators_scope": "attacks on the installation belong to no workspace",
    "apps.runs.boxes._is_live": "a box's labels name a row, and the sweep asks whether it still holds its lease",
    "apps.runs.deadlines.end_overdue_runs": "the sweep looks for runs that have waited longer than they may",
    "apps.runs.environments.is_environment_needed": "an environment goes only when no workspace's run needs it",
    "apps.runs.lanes._lanes": "a claim compares the queues of all workspaces",
    "apps.runs.orphans.sweep_orphans": "every workspace's folder is looked through, then in its own scope",
    "apps.triggers.schedules.tell_due_schedules": "the scheduler looks for schedules that are due",
    "apps.triggers.webhooks.receiving._find": "a webhook's address tells which scope may be entered",
    "apps.vault.keys.verify_root_key": "the root key is proved on every workspace's key at start-up",
    "apps.workspaces.middleware.OperatorMiddleware.__call__": "the operator's admin spans workspaces",
    "apps.workspaces.services.authenticate_token": "the token tells which scope may be entered",
    "apps.workspaces.services.create_workspace": "a workspace that does not exist yet has no scope",
    "apps.workspaces.services.find_membership": "the membership tells which scope may be entered",
    "apps.workspaces.services.memberships_of": "a user's own workspaces are several",
}


@cache
def modules() -> dict[str, ast.Module]:
    """Dotted name → syntax tree of everything but tests and migrations."""
    paths = [path for folder in ("apps", "platform", "sandbox", "sdk") for path in sorted((CHECKOUT / folder).rglob("*.py"))]
    own = [path for path in paths if "migrations" not in path.parts]
    return {".".join(path.relative_to(CHECKOUT).with_suffix("").parts): ast.parse(path.read_text()) for path in own}


def functions(tree: ast.AST, inside: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function with its dotted name, the methods of classes and inner functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{inside}.{node.name}", node
        name = f"{inside}.{node.name}" if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) else inside
        yield from functions(node, name)


def calls(tree: ast.AST) -> Iterator[str]:
    """What is called, as it is written: `transaction.atomic`."""
    return (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_there_is_code_to_look_at():
    assert len(modules()) > 150


def test_no_function_is_longer_than_a_screen():
    long = {
        name: size
        for module, tree in modules().items()
        for name, node in functions(tree, module)
        if (size := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_no_module_is_longer_than_can_be_kept_in_mind():
    long = {}
    for name in modules():
        path = CHECKOUT.joinpath(*name.split(".")).with_suffix(".py")
        if (size := len(path.read_text().splitlines())) > LONGEST_MODULE:
            long[name] = size
    assert long == {}


def test_only_the_tenant_scope_opens_transactions():
    """A transaction that the scope did not open has no workspace, so row level security would hide every row from it."""
    openers = {
        name
        for name, tree in modules().items()
        for call in [*calls(tree), *decorators(tree)]
        if call.rpartition(".")[2] in ("atomic", "set_autocommit", "non_atomic_requests")
    }
    assert openers == {"apps.core.tenancy"}


def decorators(tree: ast.AST) -> Iterator[str]:
    for _, node in functions(tree, ""):
        yield from map(ast.unparse, node.decorator_list)


def test_work_across_workspaces_is_listed_with_its_reason():
    found = {
        name
        for module, tree in modules().items()
        for name, node in functions(tree, module)
        if any(call.rpartition(".")[2] == "every_workspace" for call in calls(node))
    }
    assert found == set(EVERY_WORKSPACE)


def test_only_the_tenant_scope_tells_the_database_who_is_in_scope():
    """`set_config` elsewhere would be a way round the list above."""
    tellers = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "set_config(" in node.value
    }
    assert tellers == {"apps.core.tenancy"}


@pytest.mark.parametrize("word", ["delay", "apply_async", "send_task", "shared_task"])
def test_only_dispatch_speaks_to_celery(word: str):
    """The row is the truth and the message a wake-up: a second kind of message could carry work that is then lost."""
    speakers = {
        name
        for name, tree in modules().items()
        for call in [*calls(tree), *decorators(tree)]
        if call.rpartition(".")[2].startswith(word)
    }
    assert speakers <= {"apps.core.dispatch"}


@pytest.mark.parametrize("mark", ["TODO", "FIXME", "XXX", "HACK"])
def test_nothing_is_left_for_later_in_the_code(mark: str):
    """What is not done is said in the documents, not in a comment that nobody reads."""
    paths = {name: CHECKOUT.joinpath(*name.split(".")).with_suffix(".py") for name in modules()}
    assert [name for name, path in paths.items() if mark in path.read_text()] == []


def test_the_contract_names_all_of_the_sandbox():
    """Its modules are listed one by one, since two of them are for everybody."""
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = next(each["forbidden_modules"] for each in contracts if each["name"] == "Only runs and packages drive the sandbox")
    top = {f"sandbox.{path.stem}" for path in (CHECKOUT / "sandbox").iterdir() if not path.stem.startswith("__")}
    assert top - set(named) == {"sandbox.limits"}
