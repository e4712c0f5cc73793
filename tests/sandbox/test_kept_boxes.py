"""Boxes that are kept for several jobs: each job is as if it were the only one."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import Box, BoxSpent, Driver, InputFile, Kind, Limits, RequestRefused
from tests.sandbox.keeping import do, job_of, kept, renew

gvisor_only = pytest.mark.gvisor
MIB = 1 << 20


@pytest.fixture
def box(driver: Driver) -> Iterator[Box]:
    """A box that is kept, by whichever driver the test is for."""
    with kept(driver) as box:
        yield box


def test_a_kept_box_does_one_job_after_the_other_each_in_a_fresh_process(box: Box) -> None:
    seen = set()
    for number in range(3):
        text = "import os\nx = []\ndef main(n):\n    x.append(n)\n    return [x, os.getpid()]"
        outcome = do(box, text, arguments={"n": number})
        assert outcome.ok, outcome
        left, pid = outcome.result
        assert left == [number]
        seen.add(pid)
        renew(box)
    assert len(seen) == 3
    assert box.jobs_done == 3


def test_a_kept_box_takes_no_job_before_it_is_ready_again(box: Box) -> None:
    assert do(box, "def main():\n    return 1").ok
    with pytest.raises(BoxSpent):
        do(box, "def main():\n    return 2")


def test_a_box_that_is_not_kept_cannot_be_used_again(driver: Driver) -> None:
    with driver.start() as box:
        assert do(box, "def main():\n    return 1").ok
        assert not box.may_be_renewed
        with pytest.raises(BoxSpent):
            box.renew()


def test_a_job_that_fails_leaves_the_box_usable(box: Box) -> None:
    assert do(box, "def main():\n    raise ValueError('no')").kind is Kind.ERROR
    renew(box)
    assert do(box, "def main():\n    return 1").result == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("def main():\n    while True: pass", Kind.TIMEOUT),
        ("def main():\n    print('x' * 3_000_000)", Kind.OUTPUT),
    ],
)
def test_a_job_that_had_to_be_ended_ends_its_box(box: Box, text: str, kind: Kind) -> None:
    assert do(box, text, limits=Limits(wall_seconds=1)).kind is kind
    assert not box.may_be_renewed
    with pytest.raises(BoxSpent):
        box.renew()


def test_a_kept_box_that_waits_answers_and_can_be_frozen(box: Box) -> None:
    assert do(box, "def main():\n    return 1").ok
    renew(box)
    assert box.freeze()
    box.thaw()
    assert box.ping()
    assert do(box, "def main():\n    return 2").result == 2


def test_a_kept_box_that_died_is_never_ready(box: Box) -> None:
    assert do(box, "def main():\n    return 1").ok
    box._vessel.kill()
    box.renew()
    assert not box.is_renewed(20)


def test_input_files_and_artifacts_of_one_job_are_not_the_next_one_s(box: Box) -> None:
    first = "import func\ndef main():\n    func.save_artifact('a', b'1')\n    return [p.name for p in func.inputs.iterdir()]"
    then = "import func\ndef main():\n    return [p.name for f in (func.inputs, func.artifacts) for p in f.iterdir()]"
    assert do(box, first, files=(InputFile("in", b"x" * 100_000),)).result == ["in"]
    renew(box)
    assert do(box, then).result == []


def test_a_request_that_was_refused_leaves_the_line_to_the_host_in_order(box: Box) -> None:
    def refuse(request: Any) -> Any:
        raise RequestRefused("no")

    text = "import func\ndef main():\n    try: func.ask_host('x')\n    except Exception as error: return str(error)"
    for _ in range(2):
        assert box.run(job_of(text), on_event=lambda event: None, on_request=refuse).result == "no"
        renew(box)


def test_only_jobs_that_are_alike_in_all_but_arguments_and_files_are_of_one_kind() -> None:
    text = "def main(**given):\n    return 1"
    usual = job_of(text).kind("acme")
    assert usual is not None
    assert job_of(text, limits=Limits(wall_seconds=3)).kind("acme") == usual
    assert job_of(text, shares_box=False).kind("acme") is None
    assert job_of(text, arguments={"a": 1}, files=(InputFile("f", b""),)).kind("acme") == usual
    others = [
        job_of(text).kind("globex"),
        job_of(text + "\n").kind("acme"),
        job_of(text, environment="a" * 64).kind("acme"),
        job_of(text, secrets={"KEY": "1"}).kind("acme"),
        job_of(text, secrets={"KEY": "2"}).kind("acme"),
        job_of(text, limits=Limits(memory_bytes=512 * MIB)).kind("acme"),
    ]
    assert len({usual, *others}) == 7


def test_what_a_later_job_used_does_not_tell_of_an_earlier_one(box: Box) -> None:
    assert do(box, "def main():\n    return len(bytes(100 << 20))").ok
    renew(box)
    assert "memory_bytes" not in do(box, "def main():\n    return 1").used


@gvisor_only
def test_a_box_that_ran_out_of_memory_is_not_kept_even_when_its_job_survived(gvisor: Driver) -> None:
    text = """
        import os, resource
        def main():
            pids = []
            for _ in range(6):
                if (pid := os.fork()) == 0:
                    data = bytearray(os.urandom(1 << 20) * 70)
                    os._exit(len(data) and 3)
                pids.append(pid)
            return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    """
    with kept(gvisor) as box:
        do(box, text)
        assert not box.may_be_renewed
