"""A stand-in for the package that the demo's tool needs: it behaves as the tool's two tries expect, as slowly as wanted."""

from tests.packages.index_server import LoopbackIndex

SOURCE = '''"""Headings and paragraphs only."""
import html
import time

SECONDS = {seconds}


class Markdown:
    def __init__(self, extensions=()):
        self.extensions = extensions

    def convert(self, text):
        print("converting", flush=True)
        time.sleep(SECONDS)
        headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
        if "toc" in self.extensions:
            self.toc = "".join(f"<li>{{html.escape(each)}}</li>" for each in headings)
            self.toc_tokens = [{{"children": []}} for _ in headings]
        return f"<pre>{{html.escape(text)}}</pre>"
'''


def add_markdown(index: LoopbackIndex, version: str, *, seconds: float = 0, statements: int = 0) -> None:
    """Each call of `convert` takes `seconds`; `statements` make the compilation, and so the build, take longer."""
    filling = "".join(f"def f{number}(a, b):\n    return [a + {number} * b, (b, a)]\n" for number in range(statements))
    modules = {"markdown/__init__.py": SOURCE.format(seconds=seconds), "markdown/filling.py": filling}
    index.add_wheel("markdown", version, modules=modules)
