"""Fills a workspace's library with rows whose graph is known. Nothing of it can be run."""

import json
from collections.abc import Iterable
from typing import Any

from tests.processes.installation import Installation

SCRIPT = """
import json, sys
from apps.core.tenancy import every_workspace, scope
from apps.functions.models import Function, FunctionVersion
from apps.workspaces.models import Membership, Workspace

told = json.load(sys.stdin)
with every_workspace(reason="filling a workspace for a test"):
    workspace = Workspace.objects.get(slug=told["workspace"])
with scope(workspace.pk):
    member = Membership.objects.select_related("user").first()
    functions, versions = [], []
    for row in told["rows"]:
        tags = row.pop("tags", [])
        functions.append(Function(name=row.pop("name"), description="One of several.", tags=tags, created_by=member))
        versions.append(FunctionVersion(
            function=functions[-1], number=1, source=f"def {functions[-1].name}() -> int:\\n    return 1\\n",
            entry=functions[-1].name, input_schema={"type": "object", "properties": {}, "x-order": []}, output_schema={},
            retry_class="on_lost", origin="person", author=member.user, author_name=str(member), **row,
        ))
        versions[-1].digest = versions[-1].compute_digest()
    Function.objects.bulk_create(functions)
    FunctionVersion.objects.bulk_create(versions)
    for function, version in zip(functions, versions):
        function.active_version = version
    Function.objects.bulk_update(functions, ["active_version"])
"""
PACKAGES, HOSTS = 60, 30  # of a large one


def add_functions(installation: Installation, workspace: str, rows: Iterable[dict[str, Any]]) -> None:
    """Each row has a name, perhaps tags, and what else of its version is not usual."""
    told = json.dumps({"workspace": workspace, "rows": list(rows)})
    done = installation.run_manage("shell", "--no-imports", "-c", SCRIPT, text=told)
    assert done.returncode == 0, done.stderr


def large(*, nodes: int) -> list[dict[str, Any]]:
    """As many functions as make, with packages and hosts, so many nodes of a graph."""
    return [
        {
            "name": f"step_{number:03}",
            "tags": [f"group {number % 7}"],
            "dependencies": sorted({f"step_{other:03}" for other in (number // 3, number * 7 // 11) if other < number}),
            "requirements": [f"package-{number // 2 % PACKAGES}>=1"] if number % 2 else [],
            "hosts": [f"host-{number // 3 % HOSTS}.example.com:443"] if number % 3 == 0 else [],
        }
        for number in range(nodes - PACKAGES - HOSTS)
    ]


TROUBLED: list[dict[str, Any]] = [
    {"name": "trouble_report", "dependencies": ["trouble_mail", "trouble_table"], "requirements": ["pandas>=2"]},
    {"name": "trouble_mail", "dependencies": ["trouble_gone"], "secrets": ["MAIL_PASSWORD"], "hosts": ["mail.example.com:443"]},
    {"name": "trouble_table", "dependencies": ["trouble_rows"], "requirements": ["pandas<3"]},
    {"name": "trouble_rows", "dependencies": ["trouble_table"], "hosts": ["data.example.com:443"]},
]
"""One function calls what is not there and needs a secret that is not there; two call each other in a circle."""
