"""The packs that ship, loaded into acme and approved, and their functions run in real boxes."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote
from apps.core import blobs
from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion
from apps.functions.services import create_function
from apps.llm.script import read_script
from apps.llm.scripted_server import ScriptedServer
from apps.llm.services import add_model
from apps.packs.services import install_pack
from apps.packs.shipped import find_shipped
from apps.runs import work
from apps.runs.models import Run
from apps.runs.services import start_run, store_upload
from tests.runs.conftest import _all_answered, _boxes_closed, see  # noqa: F401  fixtures are shared by importing


@pytest.fixture
def cast(transactional_cast: SimpleNamespace, _boxes_closed: None, _all_answered: None) -> SimpleNamespace:  # noqa: F811
    """Runs are executed by other threads and connections."""
    return transactional_cast


def approve_all(cast: Any) -> None:
    """The approver agrees to whatever is asked."""
    with scope(cast.acme.pk):
        for asked in ApprovalRequest.objects.filter(state="open"):
            cast_vote(actor=cast.approver, request_id=asked.pk, decision="approve", reason="Read.", shown_digest=asked.digest)


@pytest.fixture
def load(cast: Any) -> Callable[..., None]:
    """Install packs by name, and have what they ask for approved."""

    def loaded(*names: str) -> None:
        with scope(cast.acme.pk):
            for name in names:
                _, plan = install_pack(actor=cast.developer, tree=find_shipped(name).tree)
                assert plan.refused == []
        approve_all(cast)

    return loaded


@pytest.fixture
def run(cast: Any) -> Callable[..., Run]:
    """Run a function by its name in a box, with files by name if any, and give the run as it ended."""

    def ended(name: str, /, files: dict[str, bytes] | None = None, **arguments: Any) -> Run:
        with scope(cast.acme.pk):
            version = FunctionVersion.objects.active_by_name([name], task_id=None)[name]
            given = [store_upload(actor=cast.developer, name=each, chunks=[data]) for each, data in (files or {}).items()]
            started = start_run(actor=cast.developer, version=version, arguments=arguments, files=given)
        assert started.state == "queued", started.state
        assert work.perform_next_run()
        return see(cast, started)

    return ended


@pytest.fixture
def result(run: Callable[..., Run]) -> Callable[..., Any]:
    """The same for one that is to succeed: its result."""

    def of(name: str, /, files: dict[str, bytes] | None = None, **arguments: Any) -> Any:
        done = run(name, files, **arguments)
        assert done.state == "succeeded", done.error or done.message
        return done.result

    return of


@pytest.fixture
def kept(cast: Any) -> Callable[[Run], dict[str, bytes]]:
    """The files that a run has kept."""

    def files(done: Run) -> dict[str, bytes]:
        with scope(cast.acme.pk):
            return {each.name: blobs.path_of(done.workspace_id, each.sha256).read_bytes() for each in done.artifacts.all()}

    return files


@pytest.fixture
def server(cast: Any, settings: Any) -> Iterator[ScriptedServer]:
    """acme's default model, which answers what the test has prepared."""
    with ScriptedServer(scripts=[]) as running:
        settings.LLM_ALLOWED_LOCAL_HOSTS = [running.base_url.split("/")[2]]
        with scope(cast.acme.pk):
            add_model(actor=cast.owner, name="ours", model="openai/scripted", base_url=running.base_url, is_default=True)
        yield running


def prepare(server: ScriptedServer, answers: str, *rules: dict[str, Any]) -> None:
    """What the model replies to a question in which the expression `answers` is found."""
    script = {"name": answers, "title": "", "prompt": "", "answers": answers, "files": "*", "rules": list(rules)}
    server.scripts = (*server.scripts, read_script(yaml.safe_dump(script)))


def say(text: str, after: str = "start", **call: Any) -> dict[str, Any]:
    """A rule: what is said, and called, after a tool or at the start."""
    return {"name": text[:20] or "call", "when": {"after": after}, "say": text, "call": call}


def write(cast: Any, source: str, description: str = "") -> None:
    """A function of acme by the developer."""
    with scope(cast.acme.pk):
        create_function(actor=cast.developer, source=source, description=description)
