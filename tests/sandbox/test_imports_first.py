"""What a job imports, imported before it comes: by the process that it will run in, knowing nothing of it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Box, Driver, Job, Kind, Limits, Outcome, Output, Pool, Source
from tests.sandbox.keeping import kept, pool_of, renew
from tests.waiting import wait_for

DIGEST = "a" * 64
# Only a job has secrets: what was imported before it came has seen none.
PACKAGE = "import os\nSEEN = os.environ.get('KEY')\nPID = os.getpid()\n"
TEXT = "import os, witness\ndef main():\n    return [witness.SEEN, witness.PID == os.getpid()]"
BEFOREHAND, WITH_THE_JOB = [None, True], ["value", True]


@pytest.fixture
def package(driver: Driver) -> Callable[[str], None]:
    """Write the text of a package `witness`, which every job here has."""
    folder: Path = driver.environments / DIGEST  # type: ignore[attr-defined]

    def write(text: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "witness.py").write_text(text)

    write(PACKAGE)
    return write


@pytest.fixture
def box(driver: Driver, package: Any) -> Iterator[Box]:
    with driver.start() as box:
        yield box


def job(text: str = TEXT, **more: Any) -> Job:
    given: dict[str, Any] = {"limits": Limits(wall_seconds=20), "imports_first": True, "secrets": {"KEY": "value"}, **more}
    return Job(sources=(Source("main", text, "main"),), environment=DIGEST, **given)


def prepare(box: Box, one: Job, seconds: float = 20) -> bool:
    imports = one.imports
    assert imports is not None
    return box.import_beforehand(imports, seconds)


def do(box: Box, one: Job) -> Outcome:
    return box.run(one, on_event=lambda event: None)


def test_imports_are_done_with_the_job_unless_they_were_done_before(box: Box) -> None:
    assert do(box, job()).result == WITH_THE_JOB


def test_what_was_imported_before_the_job_came_has_seen_nothing_of_it(box: Box) -> None:
    assert prepare(box, job())
    assert do(box, job()).result == BEFOREHAND


@pytest.mark.parametrize(
    ("statement", "is_done"),
    [
        ("import witness", True),
        ("from witness import SEEN", True),
        ("from nothing import at_all\nimport witness", True),
        ("if True:\n    import witness", False),
        ("def other():\n    import witness", False),
        ("'A docstring.'\nLIMIT: int = 3\ndef other(): pass\nimport witness", True),
        ("import os\nos.environ['THREADS'] = '1'\nimport witness", False),
        ("import warnings\nwarnings.simplefilter('ignore')\nimport witness", False),
        ("this is no Python", False),
    ],
    ids=[
        "import",
        "from",
        "after one that fails",
        "in a block",
        "in a function",
        "after what changes nothing",
        "after a setting",
        "after a call",
        "nonsense",
    ],
)
def test_only_imports_at_the_top_level_are_done_before_anything_that_may_change_what_they_find(
    box: Box, statement: str, is_done: bool
) -> None:
    assert prepare(box, job(statement))
    text = "def main():\n    import witness\n    return witness.SEEN is None"
    assert do(box, job(text)).result is is_done


def test_an_import_that_fails_beforehand_fails_at_its_place_in_the_job(box: Box, package: Callable[[str], None]) -> None:
    package("raise LookupError('broken')")
    assert prepare(box, job())
    outcome = do(box, job())
    assert outcome.kind is Kind.ERROR
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.line) == ("LookupError", 1)


def test_a_package_that_needs_its_secret_gets_it_with_the_job(box: Box, package: Callable[[str], None]) -> None:
    package("import os\nSEEN, PID = os.environ['KEY'], os.getpid()")
    assert prepare(box, job())
    assert do(box, job()).result == WITH_THE_JOB


def test_what_a_package_prints_beforehand_is_in_the_job_s_output(box: Box, package: Callable[[str], None]) -> None:
    package(f"{PACKAGE}\nprint('imported')")
    said: list[Any] = []
    assert prepare(box, job())
    assert box.run(job(), on_event=said.append).ok
    assert b"imported\n" in b"".join(event.data for event in said if isinstance(event, Output))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("import os\nos._exit(0)", 20), ("while True: pass", 0.5), ("import sys\nprint('x' * 1_000_000)\nsys.stdout.flush()", 0.5)],
    ids=["leaves", "hangs", "fills its pipe"],
)
def test_a_box_whose_imports_do_not_come_to_an_end_is_of_no_use(
    box: Box, package: Callable[[str], None], text: str, seconds: float
) -> None:
    package(text)
    assert not prepare(box, job(), seconds)
    assert not box.may_be_renewed


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.fork()",
        "import os, sys\nif os.fork(): os.wait()\nelse: sys.exit()",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "raise SystemExit",
        "raise KeyboardInterrupt",
    ],
    ids=["two of itself", "a child that leaves", "a thread", "exit", "interrupt"],
)
def test_whatever_a_package_does_beforehand_the_job_is_done_once(box: Box, package: Callable[[str], None], text: str) -> None:
    package(f"import os\nif 'KEY' not in os.environ:\n    exec({text!r})\n{PACKAGE}")
    assert prepare(box, job())
    outcome = do(box, job())
    assert outcome.ok, outcome
    assert outcome.result[1]


@pytest.mark.parametrize("kind", [2, 3, 5, 7, 64, 70])
def test_frames_that_a_package_forges_beforehand_end_its_own_job_at_most(
    box: Box, package: Callable[[str], None], kind: int
) -> None:
    forge = f"""
import os, struct
for descriptor in range(3, 64):
    try: os.write(descriptor, struct.pack(">IB", 2, {kind}) + b"42")
    except OSError: pass
"""
    package(f"{forge}\n{PACKAGE}")
    prepare(box, job())
    if box.may_be_renewed:
        outcome = do(box, job())
        assert outcome.kind in (Kind.OK, Kind.ERROR, Kind.LOST), outcome
        assert outcome.result in (None, 42, BEFOREHAND)


def test_a_kept_box_does_the_imports_of_its_next_job_while_it_waits(driver: Driver, package: Any) -> None:
    with kept(driver) as box:
        for _ in range(2):
            assert prepare(box, job(shares_box=True))
            assert do(box, job(shares_box=True)).result == BEFOREHAND
            renew(box)


@pytest.mark.parametrize("is_kept", [False, True])
def test_sources_larger_than_a_socket_takes_at_once_are_imported_beforehand(driver: Driver, package: Any, is_kept: bool) -> None:
    one = job(f"{TEXT}\n#{'x' * 2_000_000}", shares_box=is_kept)
    with kept(driver) if is_kept else driver.start() as box:
        if is_kept:
            assert do(box, one).result == WITH_THE_JOB
            renew(box)
        assert prepare(box, one)
        assert do(box, one).result == BEFOREHAND


def test_a_package_cannot_keep_the_job_s_limits_from_being_set(box: Box, package: Callable[[str], None]) -> None:
    package(f"import resource\nresource.setrlimit = lambda *given: None\n{PACKAGE}")
    text = "import witness\ndef main():\n    import resource\n    return resource.getrlimit(resource.RLIMIT_NOFILE)"
    one = job(text, limits=Limits(wall_seconds=20, open_files=77))
    assert prepare(box, one)
    assert do(box, one).result == [77, 77]


def test_what_a_package_started_beforehand_has_the_job_s_limits(box: Box, package: Callable[[str], None]) -> None:
    package(
        "import os, resource\nreader, writer = os.pipe()\nif os.fork() == 0:\n"
        "    os.write(writer, str(resource.getrlimit(resource.RLIMIT_FSIZE)).encode())\n    os._exit(0)\n"
        "os.wait()\nSAID = os.read(reader, 100).decode()"
    )
    limits = Limits(wall_seconds=20, scratch_bytes=1 << 20)
    one = job("import witness\ndef main():\n    return witness.SAID", limits=limits)
    assert prepare(box, one)
    assert do(box, one).result == str((1 << 20, 1 << 20))


def test_other_limits_are_another_kind_but_the_time_that_is_left_is_not() -> None:
    assert job(limits=Limits(open_files=7)).kind("acme") != job().kind("acme")
    assert job(limits=Limits(wall_seconds=7)).kind("acme") == job().kind("acme")
    assert job().imports != job(limits=Limits(open_files=7)).imports


def test_a_job_that_would_be_over_its_processor_time_is_not_prepared(box: Box, package: Callable[[str], None]) -> None:
    package(f"import os\nwhile 'KEY' not in os.environ: pass\n{PACKAGE}")
    began = time.monotonic()
    assert not prepare(box, job(limits=Limits(wall_seconds=20, cpu_seconds=1)))
    assert time.monotonic() - began < 15, "by the limit, not by the time that imports may take"


def run_prepared(pool: Pool, one: Job) -> tuple[str, Outcome]:
    given = {"kind": one.kind("acme"), "keeps": one.shares_box, "imports": one.imports, "size": one.limits.size}
    with pool.take(**given, labels={"run": "r"}) as box:  # type: ignore[arg-type]
        return box.id, do(box, one)


@pytest.mark.parametrize("shares_box", [False, True])
def test_after_a_job_the_next_of_its_kind_finds_its_imports_done(driver: Driver, package: Any, shares_box: bool) -> None:
    one = job(shares_box=shares_box)
    with pool_of(driver) as pool:
        boxes = []
        for expected in (WITH_THE_JOB, BEFOREHAND, BEFOREHAND):
            box, outcome = run_prepared(pool, one)
            assert outcome.result == expected
            boxes.append(box)
            wait_for(lambda: pool.report().kept == 1 and all(place.is_settled for place in pool._shelf._places))
        assert len(set(boxes)) == (1 if shares_box else 3), "a prepared box has one job, a kept one several"


def test_a_prepared_box_is_of_no_use_to_another_kind(fake: Driver) -> None:
    folder: Path = fake.environments / DIGEST  # type: ignore[attr-defined]
    folder.mkdir(parents=True)
    (folder / "witness.py").write_text(PACKAGE)
    with pool_of(fake) as pool:
        run_prepared(pool, job())
        wait_for(lambda: pool.report().kept == 1)
        assert run_prepared(pool, job(f"{TEXT}\n"))[1].result == WITH_THE_JOB
        assert run_prepared(pool, job(secrets={"KEY": "other"}))[1].result == ["other", True]


def test_a_prepared_box_that_nobody_wants_for_a_while_is_given_up(driver: Driver, package: Any) -> None:
    with pool_of(driver, kept_idle_seconds=3) as pool:
        run_prepared(pool, job())
        wait_for(lambda: pool.report().kept == 1)
        wait_for(lambda: pool.report().kept == 0)
        assert run_prepared(pool, job())[1].result == WITH_THE_JOB


def test_a_kind_that_cannot_be_prepared_still_has_its_jobs_done(driver: Driver, package: Callable[[str], None]) -> None:
    package(f"import os\nif 'KEY' not in os.environ: os._exit(0)\n{PACKAGE}")
    with pool_of(driver) as pool:
        for _ in range(2):
            assert run_prepared(pool, job())[1].result == WITH_THE_JOB


def test_a_pool_that_closes_while_it_prepares_leaves_no_box(driver: Driver, package: Any) -> None:
    """The driver's own fixture looks for boxes that are left."""
    with pool_of(driver) as pool:
        assert run_prepared(pool, job())[1].ok
    assert pool.report().kept == 0


def test_jobs_whose_imports_come_first_have_a_kind_of_their_own() -> None:
    assert job().kind("acme") is not None
    assert job(imports_first=False).kind("acme") is None
    assert job(imports_first=False).imports is None
    assert job().kind("acme") != job(shares_box=True).kind("acme")
    assert job().kind("acme") != job().kind("globex")
