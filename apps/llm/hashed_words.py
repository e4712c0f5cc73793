"""Vectors of texts without a model: words are counted at places that a hash gives them. Pure, and the same everywhere.

What shares words lies close together; that words mean the same is not known here. It stands in where no model is called.
"""

from __future__ import annotations

import hashlib
import math
import re

DIMENSIONS = 256


def vector_of(text: str) -> tuple[float, ...]:
    """A vector of length one, or of zeros for a text without words."""
    counts = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.casefold()):
        digest = hashlib.sha256(word.encode()).digest()
        counts[int.from_bytes(digest[:4], "big") % DIMENSIONS] += 1.0 if digest[4] % 2 else -1.0
    length = math.sqrt(sum(count * count for count in counts)) or 1.0
    return tuple(count / length for count in counts)
