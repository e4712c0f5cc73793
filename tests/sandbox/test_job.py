"""A job that contradicts itself is refused where it is made."""

from pathlib import Path

import pytest

from sandbox import BoxSize, InputFile, InvalidJob, Job, Limits, Source

PLAIN = Source("a", "def a(): pass", "a")


@pytest.mark.parametrize("name", ["", "1a", "a b", "a..b", "a.", "a/b", "a\n"])
def test_a_source_needs_a_function_name(name: str) -> None:
    with pytest.raises(InvalidJob):
        Source(name, "", "main")


def test_two_dependencies_may_not_have_the_same_short_name() -> None:
    with pytest.raises(InvalidJob, match="same name"):
        Source("main", "", "main", ("billing.parse", "shipping.parse"))


@pytest.mark.parametrize(
    "sources",
    [
        (),
        (PLAIN, PLAIN),
        (Source("b", "", "b", ("missing",)),),
        (Source("b", "", "b", ("a",)), PLAIN),
        (Source("b", "", "b", ("b",)),),
    ],
    ids=["none", "twice", "unknown", "wrong order", "itself"],
)
def test_a_closure_is_whole_and_in_order(sources: tuple[Source, ...]) -> None:
    with pytest.raises(InvalidJob):
        Job(sources=sources)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\nb", "a\0", "x" * 300])
def test_an_input_file_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidJob):
        InputFile(name, b"")


@pytest.mark.parametrize("digest", ["", "..", "../../etc", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_an_environment_is_named_by_a_digest_and_never_by_a_path(digest: str) -> None:
    with pytest.raises(InvalidJob):
        Job(sources=(PLAIN,), environment=digest)


def test_limits_are_positive() -> None:
    with pytest.raises(InvalidJob, match="wall_seconds"):
        Limits(wall_seconds=0)


def test_a_box_without_room_for_its_kernel_is_refused() -> None:
    with pytest.raises(InvalidJob):
        BoxSize(memory_bytes=1 << 20)


def test_secrets_are_not_shown_when_a_job_is_printed() -> None:
    assert "hunter2" not in repr(Job(sources=(PLAIN,), secrets={"KEY": "hunter2"}))


def test_an_input_file_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abcdefg")
    for file in (InputFile("a", tmp_path / "a"), InputFile("a", b"abcdefg")):
        assert list(file.chunks(3)) == [b"abc", b"def", b"g"]
        assert file.size() == 7
