"""What an expression may look like: how long, how deep, how many loops, and which names it reads.

Nothing here understands the language: the evaluator's own parser does. These bounds keep what it is asked small, so that it
answers in microseconds; what they miss is ended by the limits of its process.
"""

import re
from collections.abc import Iterable, Sequence

from apps.core.errors import Invalid

MAX_CHARACTERS = 1_000
MAX_DEPTH = 16
MAX_LOOPS = 3
"""Each goes through a list of the data, which may have some thousand items; one in another multiplies."""

_STRING = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'", re.DOTALL)
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")


class BadExpression(Invalid):
    """The text is no expression, or asks for too much."""

    code = "bad_expression"


def check_shape(text: str) -> None:
    """Refuse what is too large to be given to a parser.

    Raises:
        BadExpression
    """
    if len(text) > MAX_CHARACTERS:
        raise BadExpression(f"An expression may have {MAX_CHARACTERS} characters; this one has {len(text)}.")
    if "\x00" in text:
        raise BadExpression("An expression cannot hold a NUL character.")
    bare = _STRING.sub('""', text)
    if _depth(bare) > MAX_DEPTH:
        raise BadExpression(f"Brackets may be {MAX_DEPTH} deep in an expression. Make it simpler.")
    if len(_LOOP.findall(bare)) > MAX_LOOPS:
        raise BadExpression(f"An expression may go through lists {MAX_LOOPS} times (all, exists, filter, map). Make it simpler.")


def check_names(text: str, names: Iterable[str], *, known: Sequence[str], such_as: str) -> None:
    """Refuse an expression that reads something unknown.

    Args:
        names: all that it reads, by the evaluator.
        known: what it may read; `such_as` is the beginning of what was probably meant, for the sentence: "event.data".

    Raises:
        BadExpression
    """
    bound = set(_LOOP.findall(_STRING.sub('""', text)))
    for name in sorted(set(names) - bound - set(known)):
        raise BadExpression(
            f"There is no “{name[:60]}” here. An expression reads {' and '.join(known)}: {such_as}.{name[:60]}, say."
        )


def _depth(bare: str) -> int:
    deepest = depth = 0
    for letter in bare:
        if letter in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in ")]}":
            depth -= 1
    return deepest
