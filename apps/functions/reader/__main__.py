"""The child process: source by standard input, report as JSON by standard output, under its own limits.

Started by `apps.functions.analysis.process` with the entry's name (or nothing, or that it is a pack) as its argument.
"""

import json
import resource
import sys

from apps.functions.reader.packs import PACK, read_pack
from apps.functions.reader.problems import Problem
from apps.functions.reader.report import read_source, refusal

MEMORY_BYTES = 512 * 1024 * 1024
"""A list literal of 256 KiB was measured to take 137 MiB as a syntax tree."""

CPU_SECONDS = 5


def main() -> None:
    """Read one source and tell about it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source = sys.stdin.buffer.read().decode("utf-8")
    entry = sys.argv[-1] if len(sys.argv) > 1 and sys.argv[-1] else None
    try:
        text = json.dumps(read_pack(source) if entry == PACK else read_source(source, entry), allow_nan=False)
    except RecursionError:
        text = json.dumps(refusal(Problem("limits", "The source is nested too deeply to be read.")))
    except MemoryError:
        text = json.dumps(refusal(Problem("limits", "The source is too large or nested too deeply to be read. Make it simpler.")))
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
