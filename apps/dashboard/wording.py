"""Values as people read them: durations, sizes, money, untrusted text. Pure functions; they know no request and no model."""

import json
import unicodedata
from datetime import timedelta
from decimal import Decimal

_BIDI = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad")
NOT_KNOWN = "not known"
NOTHING = "\N{EN DASH}"


def as_duration(value: timedelta | float | None) -> str:
    """Seconds in the two largest units that matter: 480 ms, 3.2 s, 4 min 5 s, 2 h 10 min."""
    if value is None:
        return NOTHING
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def as_time_left(share: float | None, elapsed: timedelta | None) -> str:
    """How long the rest takes at the pace so far, roughly; empty while there is too little to tell from."""
    if share is None or elapsed is None or share < 0.02 or share >= 1 or elapsed.total_seconds() < 2:
        return ""
    seconds = elapsed.total_seconds() * (1 - share) / share
    if seconds < 90:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 90 else f"about {round(minutes / 60)} h left"


def as_size(count: int | None) -> str:
    """Bytes in binary units with one decimal: 512 B, 1.5 KiB, 20.0 MiB."""
    if count is None:
        return NOT_KNOWN
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def as_money(amount: Decimal | float | None) -> str:
    """US dollars; four decimals below one dollar, because a model call costs fractions of a cent."""
    if amount is None:
        return NOT_KNOWN
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def as_json(value: object) -> str:
    """A JSON value, indented, with its keys in their own order."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def made_visible(text: str) -> str:
    """Text from a box or a model with control, bidi and invisible characters written out as ⟨U+202E⟩ instead of obeyed."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    is_harmless = character in "\n\t" or (character.isprintable() and character not in _BIDI | _INVISIBLE)
    if is_harmless or unicodedata.category(character) == "Zs":
        return character
    return f"⟨U+{ord(character):04X}⟩"
