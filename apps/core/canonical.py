"""One way to write JSON, so that equal content has equal bytes and one SHA-256."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Sorted keys, no blanks, UTF-8 as it is; NaN and unknown types are refused.

    Raises:
        TypeError, ValueError: the value is no plain JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256, in hex, of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
