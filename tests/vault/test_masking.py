"""No secret leaves in clear, whichever way it is written and wherever the chunks are cut."""

import base64
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.vault.masking import MASK, Mask, Masker
from apps.vault.patterns import LONGEST, patterns_of

SECRET = 's3cr3t/v@lue+ü "q"'
PEM = "-----BEGIN KEY-----\n" + "\n".join(base64.b64encode(bytes([n] * 48)).decode() for n in range(20)) + "\n-----END KEY-----\n"

encodings = {
    "plain": lambda value: value.encode(),
    "json": lambda value: json.dumps({"key": value}).encode(),
    "json in utf-8": lambda value: json.dumps([value], ensure_ascii=False).encode(),
    "repr": lambda value: repr(value).encode(),
    "repr of bytes": lambda value: repr(value.encode()).encode(),
    "url": lambda value: quote(value).encode(),
    "url, slashes too": lambda value: quote(value, safe="").encode(),
    "form": lambda value: quote_plus(value).encode(),
    "hex": lambda value: value.encode().hex().encode(),
    "HEX": lambda value: value.encode().hex().upper().encode(),
    "base64": lambda value: base64.b64encode(value.encode()),
    "base64, second byte": lambda value: base64.b64encode(b"u:" + value.encode() + b"!"),
    "base64, third byte": lambda value: base64.b64encode(b"x" + value.encode() + b"??"),
    "url-safe base64": lambda value: base64.urlsafe_b64encode(b"xy" + value.encode()),
}


@pytest.mark.parametrize("value", [SECRET, PEM, "exactly8", "€" * 300], ids=["short", "pem", "eight", "long"])
@pytest.mark.parametrize("encode", encodings.values(), ids=encodings)
def test_a_secret_is_masked_in_every_common_encoding(value, encode) -> None:
    shown = Mask([value]).mask_bytes(b"before " + encode(value) + b" after")
    assert shown.startswith(b"before ")
    assert shown.endswith(b" after")
    assert shown.count(MASK) == 1
    assert not any(pattern in shown for pattern in patterns_of([value]))


@pytest.mark.parametrize("encode", encodings.values(), ids=encodings)
def test_of_base64_only_characters_shared_with_neighbours_remain(encode) -> None:
    shown = Mask(["exactly8"]).mask_bytes(encode("exactly8"))
    assert len(shown) <= len(MASK) + len('{"key": ""}')


def test_lines_of_a_secret_are_masked_alone() -> None:
    lines = PEM.splitlines()
    shown = Mask([PEM]).mask_bytes(("cut here " + lines[5] + " and " + lines[7]).encode())
    assert shown == b"cut here *** and ***"


def test_what_is_no_secret_stays_as_it_is() -> None:
    text = b"nothing to see: s3cr3t, v@lue, \xff\x00 and s3cr3t/v@lue-\n"
    assert Mask([SECRET]).mask_bytes(text) == text
    assert Masker([]).feed(b"anything") == b"anything"
    assert not Mask([])


def test_output_that_cannot_become_a_secret_is_shown_at_once() -> None:
    masker = Masker([SECRET])
    assert masker.feed(b"line one\nline two\n") == b"line one\nline two\n"
    assert masker.feed(b"ends like s3cr") == b"ends like "
    assert masker.feed(b"ipt\n") == b"s3cript\n"
    assert masker.flush() == b""


def test_the_beginning_of_a_secret_at_the_very_end_is_masked_when_it_is_long_enough_to_be_one() -> None:
    masker = Masker([SECRET])
    assert masker.feed(b"killed here: s3cr3t/v@l") == b"killed here: "
    assert masker.flush() == MASK
    masker = Masker([SECRET])
    assert masker.feed(b"one s") + masker.flush() == b"one s"


def test_a_secret_that_begins_like_another_hides_neither() -> None:
    masker = Masker(["password1", "password1-and-more"])
    shown = masker.feed(b"password1") + masker.feed(b"-and-") + masker.feed(b"more password1-and-less") + masker.flush()
    assert shown == b"*** ***-and-less"


def test_a_secret_at_the_end_of_a_chunk_hides_nothing_of_the_next_when_a_longer_one_begins_alike() -> None:
    masker = Masker(["password-one", "password-and-more"])
    assert masker.feed(b"<password-one") + masker.feed(b"> shown") + masker.flush() == b"<***> shown"


def test_overlapping_secrets_are_both_covered() -> None:
    assert Mask(["abcdefghij", "ghijklmnop"]).mask_bytes(b"<abcdefghijklmnop>") == b"<***>"


@given(
    values=st.lists(
        st.text('abc/\n" ü', min_size=8, max_size=40).filter(lambda text: len(text.strip()) >= 8), min_size=1, max_size=3
    ),
    between=st.lists(st.text('abc/\n" üx', max_size=12), min_size=2, max_size=4),
    encode=st.sampled_from(list(encodings.values())),
    cuts=st.lists(st.integers(0, 400), max_size=30),
)
def test_no_cut_changes_what_is_shown_and_no_secret_is_in_it(values, between, encode, cuts) -> None:
    data = b"".join(text.encode() + encode(value) for text, value in zip(between, values * 2, strict=False))
    mask = Mask(values)
    whole = mask.mask_bytes(data)
    masker, shown, last = Masker(mask), b"", 0
    for cut in [*sorted(cuts), len(data)]:
        shown += masker.feed(data[last:cut])
        last = max(last, cut)
    shown += masker.flush()
    assert shown == whole
    assert not any(pattern in shown for pattern in patterns_of(values))


@given(value=st.text("ab", min_size=600, max_size=900), size=st.integers(1, 400))
def test_long_secrets_leave_nothing_in_chunks_of_any_size(value, size) -> None:
    masker, data = Masker([value]), b"<" + value.encode() + b">"
    shown = b"".join(masker.feed(data[at : at + size]) for at in range(0, len(data), size)) + masker.flush()
    assert shown == b"<***>"


def test_patterns_are_neither_short_nor_long() -> None:
    lengths = {len(pattern) for pattern in patterns_of([SECRET, PEM, "x" * 5000])}
    assert min(lengths) >= 8
    assert max(lengths) <= LONGEST


def seconds_for(mask: Mask, data: bytes, size: int) -> float:
    masker, began = Masker(mask), time.process_time()
    for at in range(0, len(data), size):
        masker.feed(data[at : at + size])
    masker.flush()
    return time.process_time() - began


@pytest.mark.parametrize(
    "unit", [b"a" * 64, b"a" * 255 + b"c", b"a" * 30_000 + b"c", b"plain text\n"], ids=["run", "near", "far", "text"]
)
def test_twice_the_output_takes_about_twice_the_time_even_when_it_nearly_matches(unit) -> None:
    mask = Mask(["a" * 60_000 + "b", "a" * 200 + "b", SECRET])
    data = unit * (200_000 // len(unit))
    once = min(seconds_for(mask, data, 4096) for _ in range(3))
    twice = min(seconds_for(mask, data * 2, 4096) for _ in range(3))
    assert twice < once * 4 + 0.05


def test_a_text_that_is_cut_everywhere_is_read_about_as_fast_as_one_that_is_not() -> None:
    """Not once more for each byte of each secret at every cut: a tool writes such texts, and the worker reads them."""
    key = "\n".join(base64.b64encode(bytes([line]) * 48).decode() for line in range(30))
    mask, text = Mask([key]), "..." * 5_000
    began = time.process_time()
    mask.mask_preview(text.replace(".", "-"))
    whole, began = time.process_time() - began, time.process_time()
    assert mask.mask_preview(text) == text
    assert time.process_time() - began < 100 * whole + 0.1


@pytest.mark.parametrize("cut", ["...", "…"])
@pytest.mark.parametrize("left", range(1, 25))
def test_the_end_of_a_secret_behind_a_cut_is_masked_as_far_as_it_goes(cut, left) -> None:
    secret = "abcabcabc-abcabcabc-abcab"  # whose ends begin like one another
    shown = secret[-left:] if left < 8 else "***"
    assert Mask([secret]).mask_preview(f"{cut}{secret[-left:]} and on") == f"{cut}{shown} and on"


def test_json_is_masked_in_strings_keys_and_numbers_and_keeps_its_shape() -> None:
    value = {"list": [SECRET, 12345678, 1.5, None, True], f"k {SECRET}": {"n": 87654321}, "pair": (1, "x")}
    assert Mask([SECRET, "12345678"]).mask_json(value) == {
        "list": ["***", "***", 1.5, None, True],
        "k ***": {"n": 87654321},
        "pair": [1, "x"],
    }
    assert value["list"][0] == SECRET  # the original is left alone


def test_json_of_any_depth_is_masked() -> None:
    deep: list[object] = [SECRET]
    for _ in range(50_000):
        deep = [deep]
    masked = Mask([SECRET]).mask_json(deep)
    for _ in range(50_000):
        masked = masked[0]
    assert masked == ["***"]
    while deep and isinstance(deep[0], list):  # taken apart by hand: freeing it at once is recursive
        deep = deep[0]


def test_text_with_half_characters_is_masked_all_the_same() -> None:
    assert Mask([SECRET]).mask_text(f"\ud800 {SECRET}").endswith(" ***")


def test_neither_repr_nor_errors_tell_a_value() -> None:
    mask = Mask([SECRET])
    assert "s3cr3t" not in f"{mask!r} {Masker(mask)!r} {mask} {Masker([SECRET])}"
