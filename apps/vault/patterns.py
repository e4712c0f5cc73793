"""How a secret may look in output: as it is, by lines, and in the encodings that programs use without thinking."""

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 8  # bytes; shorter ones would match ordinary text
LONGEST = 256  # bytes; longer ones are cut, which keeps the work for a byte of output bounded


def patterns_of(values: Iterable[str]) -> frozenset[bytes]:
    """The byte strings to look for, each of SHORTEST to LONGEST bytes."""
    forms = {form for value in values for text in {value, value.strip()} for form in _forms_of(text)}
    return frozenset(piece for form in forms if len(form) >= SHORTEST for piece in _pieces_of(form))


def _forms_of(text: str) -> Iterator[bytes]:
    plain = text.encode()
    yield plain
    yield from (line.strip() for line in plain.splitlines())
    yield from (plain.hex().encode(), plain.hex().upper().encode())
    yield from _base64_forms_of(plain)
    written = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1], repr(plain)[2:-1])
    quoted = (quote(text), quote(text, safe=""), quote_plus(text))
    yield from (form.encode() for form in (*written, *quoted))


def _base64_forms_of(plain: bytes) -> Iterator[bytes]:
    """The characters that the value alone decides, wherever it stands in a longer encoded text.

    It may begin at the first, second or third byte of a group; characters that share bits with neighbours are left out.
    """
    for before in range(3):
        first = (before * 8 + 5) // 6
        last = (before + len(plain)) * 8 // 6
        padded = b"\0" * before + plain
        yield base64.b64encode(padded)[first:last]
        yield base64.urlsafe_b64encode(padded)[first:last]


def _pieces_of(form: bytes) -> Iterator[bytes]:
    """The form, or pieces of equal length that cover it: the last overlaps the one before."""
    if len(form) <= LONGEST:
        yield form
        return
    for start in range(0, len(form) - LONGEST, LONGEST):
        yield form[start : start + LONGEST]
    yield form[-LONGEST:]
