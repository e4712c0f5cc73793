"""Stand-ins for packages from the index, as small as the tools that import them allow."""

from tests.packages.index_server import LoopbackIndex

IMAGE = '''"""Draws dots on a canvas and writes it as PNG: what the prepared tool asks of Pillow."""
import struct
import zlib

COLOURS = {"white": 255, "gray": 160, "navy": 40, "black": 0}


class Picture:
    def __init__(self, size, colour):
        self.width, self.height = size
        self.rows = [bytearray([COLOURS[colour]] * self.width) for _ in range(self.height)]

    def dot(self, x, y, colour):
        self.rows[min(max(round(y), 0), self.height - 1)][min(max(round(x), 0), self.width - 1)] = COLOURS[colour]

    def save(self, target, kind):
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 0, 0, 0, 0)
        body = zlib.compress(b"".join(b"\\0" + bytes(row) for row in self.rows))
        target.write(b"\\x89PNG\\r\\n\\x1a\\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b""))


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def new(mode, size, colour):
    return Picture(size, colour)
'''

DRAW = """class Draw:
    def __init__(self, picture):
        self.picture = picture

    def line(self, points, fill, width=1):
        for (x, y), (to_x, to_y) in zip(points, points[1:]):
            steps = max(abs(round(to_x - x)), abs(round(to_y - y)), 1)
            for step in range(steps + 1):
                for thick in range(width):
                    self.picture.dot(x + (to_x - x) * step / steps, y + (to_y - y) * step / steps + thick, fill)

    def point(self, points, fill):
        for x, y in points:
            self.picture.dot(x, y, fill)

    def rectangle(self, edges, outline):
        left, top, right, bottom = edges
        self.line([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], outline)

    def text(self, place, text, fill):
        self.line([place, (place[0] + 6 * len(text), place[1])], fill)
"""


def add_pillow(index: LoopbackIndex) -> None:
    index.add_wheel("pillow", "11.0", modules={"PIL/__init__.py": "", "PIL/Image.py": IMAGE, "PIL/ImageDraw.py": DRAW})


def add_greeting(index: LoopbackIndex) -> None:
    """Two distributions, one of which needs the other, so that there is a tree to look at."""
    index.add_wheel("politeness", "2.1", modules={"politeness.py": 'FORM = "Good day"\n'})
    source = "import politeness\n\n\ndef greet(name):\n    return f'{politeness.FORM}, {name}'\n"
    index.add_wheel("greeting", "1.4", requires=["politeness>=2"], modules={"greeting.py": source})
