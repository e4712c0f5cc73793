"""Functions of the library whose sources are nearly the same: copies that were renamed, two people who wrote one thing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from uuid import UUID

from django.db.models import BigIntegerField, Value

from apps.functions.models import Function, FunctionVersion
from apps.functions.reader.shape import EMPTY

ALIKE = 0.8
"""Share of what two sources have in common from which one is pointed out beside the other."""

_BAND = 4
_MOST_COMPARED = 100


@dataclass(frozen=True, slots=True)
class Alike:
    """Another function of the library and the share that it has in common, estimated from sketches."""

    function_id: UUID
    name: str
    share: float

    @property
    def percent(self) -> int:
        return round(100 * self.share)


def bands_of(shape: Sequence[int]) -> list[int]:
    """Hashes of four neighbouring places each: sketches that are alike have one in common, others hardly ever."""
    return [
        int.from_bytes(hashlib.blake2b(f"{number}:{band}".encode(), digest_size=7).digest())
        for number, band in enumerate(batched(shape, _BAND))
        if any(place != EMPTY for place in band)
    ]


def share_in_common(one: Sequence[int], other: Sequence[int]) -> float:
    """From 0.0 to 1.0: the share of equal places among those that either sketch has."""
    pairs = [pair for pair in zip(one, other, strict=True) if pair != (EMPTY, EMPTY)]
    return sum(mine == theirs for mine, theirs in pairs) / len(pairs) if pairs else 0.0


def most_alike(version: FunctionVersion) -> Alike | None:
    """The function of the library whose active version is most like this one, if any is nearly the same. One query."""
    if not version.shape:
        return None
    # Typed, because Django sends the numbers of a plain list as 32 bits.
    bands = [Value(band, output_field=BigIntegerField()) for band in version.shape_bands]
    others = FunctionVersion.objects.active().filter(
        function__in=Function.objects.library().exclude(pk=version.function_id), shape_bands__overlap=bands
    )
    rows = others.values_list("function_id", "function__name", "shape")[:_MOST_COMPARED]
    found = [Alike(key, name, share_in_common(version.shape, shape)) for key, name, shape in rows]
    nearest = max(found, key=lambda each: (each.share, each.name), default=None)
    return nearest if nearest and nearest.share >= ALIKE else None
