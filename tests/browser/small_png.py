"""Makes a screenshot small: a PNG with a palette of its 256 commonest colours, each other colour being the nearest of them."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BYTES = 3  # of a pixel in the screenshots of chromium: red, green, blue
type Pixels = list[list[bytes]]


def make_small(png: bytes) -> bytes:
    """`png` has eight bits for each of red, green and blue, as chromium writes it."""
    parts = list(_parts(png))
    width, height, depth, kind = struct.unpack(">IIBB", parts[0][1][:10])
    assert (depth, kind) == (8, 2), "no picture in plain colours"
    rows = _pixels(zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT")), width)
    colours = Counter(pixel for row in rows for pixel in row)
    palette = [colour for colour, _ in colours.most_common(256)]
    places = {colour: _nearest(colour, palette) for colour in colours}
    lines = b"".join(b"\0" + bytes(places[pixel] for pixel in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    written = [(b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(_part(name, body) for name, body in written)


def _parts(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(png):
        length, name = struct.unpack(">I4s", png[place : place + 8])
        yield name, png[place + 8 : place + 8 + length]
        place += 12 + length


def _part(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _pixels(data: bytes, width: int) -> Pixels:
    """Undoes the filters of PNG: each byte is told by its difference to what stands left, above, or both."""
    size = width * BYTES
    above, rows = bytearray(size), []
    for start in range(0, len(data), size + 1):
        row = bytearray(data[start + 1 : start + 1 + size])
        for place in range(size):
            left, corner = (row[place - BYTES], above[place - BYTES]) if place >= BYTES else (0, 0)
            row[place] = (row[place] + _guess(data[start], left, above[place], corner)) & 255
        rows.append([bytes(row[place : place + BYTES]) for place in range(0, size, BYTES)])
        above = row
    return rows


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    if kind < 4:
        return (0, left, above, (left + above) // 2)[kind]
    goal = left + above - corner
    return min((left, above, corner), key=lambda value: abs(goal - value))


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(range(len(palette)), key=lambda place: sum((a - b) ** 2 for a, b in zip(palette[place], colour, strict=True)))
