"""Chains out of BabyAGI's packs give here, in real boxes, what BabyAGI itself gives."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.packs.services import install_pack
from apps.packs.trees import read_tree
from apps.runs.services import start_run
from apps.runs.work import perform_next_run
from tests.runs.conftest import _all_answered, _boxes_closed, cast, see  # noqa: F401  fixtures are shared by importing
from tests.waiting import wait_for

pytestmark = [pytest.mark.network, pytest.mark.gvisor]

RELEASE = "babyagi==0.1.4"
MINUTES = 60  # seconds
PACK = """
from functionz.core.framework import func
import json


@func.register_function(metadata={"description": "The words of a text."}, imports=["re"])
def cut(text):
    import re
    return re.findall(r"[a-z]+", text.lower())


@func.register_function(
    metadata={"description": "How often each word is there."},
    dependencies=["cut"],
    imports=[{"name": "collections", "lib": "collections"}],
)
def tally(text):
    from collections import Counter
    return sorted(Counter(cut(text)).items(), key=lambda pair: (-pair[1], pair[0]))


@func.register_function(metadata={"description": "The most frequent words."}, dependencies=["tally"])
def most_frequent(text, most=2):
    return [{"word": word, "times": times} for word, times in tally(text)[:most]]


@func.register_function(metadata={"description": "Several texts."}, dependencies=["most_frequent", "cut"], imports=["json"])
def report(texts, most=1):
    import json
    told = {str(number): most_frequent(text, most=most) for number, text in enumerate(texts)}
    return json.dumps({"texts": told, "words": sum(len(cut(text)) for text in texts)}, sort_keys=True)
"""
TEXT = "A rose is a rose is a rose"
CALLS: list[list[Any]] = [
    ["report", [], {"texts": [TEXT, "No rose without a thorn, no thorn at all"], "most": 2}],
    ["most_frequent", [], {"text": TEXT}],
    # Out of the default pack: it runs others by their names, logs beside, and asks what there is.
    ["execute_function_wrapper", ["report"], {"texts": [TEXT]}],
    ["function_added_or_updated", [], {"action": "updated", "triggered_function_name": "report"}],
    ["function_added_or_updated", [], {"action": "added", "triggered_function_name": "nothing"}],
]


@pytest.fixture(scope="session")
def babyagi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has BabyAGI."""
    folder = tmp_path_factory.mktemp("babyagi") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=MINUTES)
    uv = Path(sys.executable).parent / "uv"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", RELEASE], check=True, timeout=10 * MINUTES
    )
    return folder / "bin" / "python"


@pytest.fixture
def worker() -> Iterator[None]:
    """Works runs off in the background, as a worker's thread does."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            if not perform_next_run():
                ended.wait(0.1)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ended.set()
    thread.join()


def theirs(python: Path, pack: Path) -> list[Any]:
    store = pack.parent / "store"
    store.mkdir()
    done = subprocess.run(
        [python, "-P", Path(__file__).with_name("in_babyagi.py"), pack, json.dumps(CALLS)],
        cwd=store,
        env={"PATH": os.environ["PATH"], "HOME": str(store), "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        check=False,
        capture_output=True,
        text=True,
        timeout=5 * MINUTES,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def ours(cast: Any, call: list[Any]) -> Any:  # noqa: F811  the fixture's value
    name, given, named = call
    with scope(cast.acme.pk):
        version = Function.objects.library().select_related("active_version__function").get(name=name).active_version
        arguments = dict(zip(version.input_schema["x-order"], given, strict=False)) | named
        run = start_run(actor=cast.developer, version=version, arguments=arguments)
    wait_for(lambda: see(cast, run).finished_at is not None, 120)
    ended = see(cast, run)
    assert ended.state == "succeeded", ended.error
    return ended.result


@pytest.mark.timeout(900)
def test_chains_of_stored_functions_give_what_babyagi_gives(cast, babyagi, worker, tmp_path) -> None:  # noqa: F811
    pack = tmp_path / "words.py"
    pack.write_text(PACK)
    found = next(babyagi.parent.parent.glob("lib/python*/site-packages/babyagi/functionz/packs/default/default_functions.py"))
    with scope(cast.acme.pk):
        for file in (found, pack):
            release, plan = install_pack(actor=cast.developer, tree=read_tree([(file.name, file.read_bytes())]))
            assert (release.state, plan.refused) == ("installed", [])
    expected = theirs(babyagi, pack)
    assert [ours(cast, call) for call in CALLS] == expected
    assert json.loads(expected[0])["words"] == 17
