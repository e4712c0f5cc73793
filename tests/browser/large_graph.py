"""Fills a workspace with a library whose graph has a known number of nodes. Rows alone: nothing of it can be run."""

from tests.processes.installation import Installation

PACKAGES, HOSTS = 60, 30
SCRIPT = """
from apps.core.tenancy import every_workspace, scope
from apps.functions.models import Function, FunctionVersion
from apps.workspaces.models import Membership, Workspace

with every_workspace(reason="filling a workspace for a test"):
    workspace = Workspace.objects.get(slug={slug!r})
with scope(workspace.pk):
    member = Membership.objects.select_related("user").first()
    functions = [
        Function(name=f"step_{{number:03}}", description="One of many.", tags=[f"group {{number % 7}}"], created_by=member)
        for number in range({functions})
    ]
    Function.objects.bulk_create(functions)
    versions = [
        FunctionVersion(
            function=function, number=1, source=f"def {{function.name}}() -> int:\\n    return 1\\n", entry=function.name,
            input_schema={{"type": "object", "properties": {{}}, "x-order": []}}, output_schema={{}}, retry_class="on_lost",
            origin="person", author=member.user, author_name=str(member),
            dependencies=sorted({{f"step_{{other:03}}" for other in (number // 3, number * 7 // 11) if other < number}}),
            requirements=[f"package-{{number // 2 % {packages}}}>=1"] if number % 2 else [],
            hosts=[f"host-{{number // 3 % {hosts}}}.example.com:443"] if number % 3 == 0 else [],
        )
        for number, function in enumerate(functions)
    ]
    for version in versions:
        version.digest = version.compute_digest()
    FunctionVersion.objects.bulk_create(versions)
    for function, version in zip(functions, versions):
        function.active_version = version
    Function.objects.bulk_update(functions, ["active_version"])
"""


def fill(installation: Installation, slug: str, *, nodes: int) -> None:
    """A workspace without functions gets as many as make, with packages and hosts, so many nodes."""
    script = SCRIPT.format(slug=slug, functions=nodes - PACKAGES - HOSTS, packages=PACKAGES, hosts=HOSTS)
    installation.manage("shell", "--no-imports", "-c", script)
