"""A sealed value opens with its key, in its place, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.vault.envelope import NotSealedHere, keyed_digest, new_key, place, seal, unseal


@given(st.binary(max_size=500), st.lists(st.text(), max_size=5))
def test_what_is_sealed_opens_again(content: bytes, parts: list[str]) -> None:
    key = new_key()
    assert unseal(key, seal(key, content, belongs_to=place(*parts)), belongs_to=place(*parts)) == content


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_two_places_never_look_alike(one: list[str], other: list[str]) -> None:
    assert (place(*one) == place(*other)) == (one == other)


def test_another_place_key_or_bytes_open_nothing() -> None:
    key = new_key()
    sealed = seal(key, b"content", belongs_to=place("ab", "c"))
    flipped = bytes([sealed[0] ^ 1]) + sealed[1:]
    for attempt in (
        (key, sealed, place("a", "bc")),
        (key, sealed, b""),
        (new_key(), sealed, place("ab", "c")),
        (key, flipped, place("ab", "c")),
        (key, sealed[:-1] + bytes([sealed[-1] ^ 1]), place("ab", "c")),
        (key, sealed[:11], place("ab", "c")),
        (key, b"", place("ab", "c")),
    ):
        with pytest.raises(NotSealedHere):
            unseal(attempt[0], attempt[1], belongs_to=attempt[2])


def test_sealing_twice_gives_different_bytes() -> None:
    key = new_key()
    assert seal(key, b"same", belongs_to=b"") != seal(key, b"same", belongs_to=b"")


def test_a_keyed_digest_depends_on_key_and_parts() -> None:
    key = new_key()
    assert keyed_digest(key, "a", "b") == keyed_digest(key, "a", "b")
    assert len({keyed_digest(key, "a", "b"), keyed_digest(key, "ab"), keyed_digest(new_key(), "a", "b")}) == 3
