"""Every limit of a job in one table: what it is called, what it is measured in, how high it goes, who holds it.

The defaults are those of `Limits`, which carries the values; a test keeps the two in step. Origin of the figures:
measured on gVisor with hostile programs, see docs/adr/0013-limits.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sandbox.job import Limits

Amount = int | float
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Unit(StrEnum):
    """What a limit is measured in; the value is how a bare number of it is written."""

    SECONDS = "s"
    BYTES = "B"
    CORES = "cores"
    COUNT = ""


# Largest first: an amount is written in the largest of which it has a whole number, so that reading gives it back.
_STEPS: Mapping[Unit, Mapping[str, int]] = {
    Unit.SECONDS: {"h": 3600, "min": 60, "s": 1},
    Unit.BYTES: {"GiB": GIB, "MiB": MIB, "KiB": KIB, "B": 1},
}
_AMOUNT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)\Z")
_EXAMPLES = {Unit.SECONDS: "30 s or 5 min", Unit.BYTES: "256 MiB", Unit.CORES: "1.5", Unit.COUNT: "64"}


@dataclass(frozen=True)
class Limit:
    """One row. `maximum` is a workspace's until somebody changes it, `most` what no workspace may go beyond.

    `at_it` says what happens to a tool that reaches it; `instead` what its author can do but raise it.
    """

    name: str
    label: str
    unit: Unit
    least: Amount
    maximum: Amount
    most: Amount
    held_by: str
    at_it: str
    instead: str

    @property
    def default(self) -> Amount:
        value: Amount = getattr(Limits, self.name)  # a dataclass keeps its defaults as attributes of the class
        return value

    def show(self, amount: Amount) -> str:
        """As people write it: 256 MiB, 5 min, 1.5 cores, 64. `read` gives the same amount back."""
        for name, size in _STEPS.get(self.unit, {}).items():
            if amount >= size and amount % size == 0:
                return f"{amount // size:.0f} {name}"
        number = f"{amount:.6f}".rstrip("0").rstrip(".")
        return f"{number} {'core' if number == '1' and self.unit is Unit.CORES else self.unit}".strip()

    def read(self, text: str) -> Amount:
        """The amount that a person wrote. Bytes need a unit, seconds may do without.

        Raises: ValueError with a sentence for that person.
        """
        found = _AMOUNT.match(text.strip())
        size = self._size_of(found[2]) if found else None
        if found is None or size is None:
            raise ValueError(f"Write it like {_EXAMPLES[self.unit]}.")
        value = float(found[1]) * size
        if self.unit is Unit.CORES:
            return value
        if value != int(value):
            raise ValueError(f"“{text.strip()[:40]}” is no whole number of {'bytes' if self.unit is Unit.BYTES else 'them'}.")
        return int(value)

    def is_amount(self, value: object) -> bool:
        """Whether a value has the type of this limit: whole numbers, and parts of cores."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return value == value and (isinstance(value, int) or self.unit is Unit.CORES)

    def doubled(self, amount: Amount) -> Amount | None:
        """What to raise it to next; None when it cannot be raised any more."""
        return min(2 * amount, self.most) if amount < self.most else None

    def _size_of(self, written: str) -> int | None:
        steps = {name.lower(): size for name, size in _STEPS.get(self.unit, {}).items()}
        if not written:
            return None if self.unit is Unit.BYTES else 1
        if self.unit is Unit.CORES and written.lower() in ("core", "cores"):
            return 1
        return steps.get(written.lower())


_ROWS = (
    Limit(
        "wall_seconds", "Time", Unit.SECONDS, 1, 300, 24 * 3600,
        held_by="the host's clock",
        at_it="The run is stopped and ends as timed out.",
        instead="Do less in one run",
    ),
    Limit(
        "cpu_seconds", "Processor time", Unit.SECONDS, 1, 200, 24 * 3600,
        held_by="RLIMIT_CPU of each process; the host stops a box that has used twice as much as a whole",
        at_it="The process is stopped and the run ends as timed out.",
        instead="Compute less in one run",
    ),
    Limit(
        "cores", "Processor cores", Unit.CORES, 0.1, 2, 8,
        held_by="the box's control group; a host with fewer cores gives what it has",
        at_it="The tool is slowed down; nothing ends.",
        instead="Compute less",
    ),
    Limit(
        "memory_bytes", "Memory", Unit.BYTES, 64 * MIB, 1 * GIB, 8 * GIB,
        held_by="RLIMIT_AS in the box, which gives a MemoryError at a line; behind it the box's control group",
        at_it="The run fails, out of memory. Files in scratch space count too, and up to 64 MiB are the box's own.",
        instead="Read the input in pieces and keep less of it",
    ),
    Limit(
        "processes", "Processes and threads", Unit.COUNT, 1, 256, 256,
        held_by="RLIMIT_NPROC in the box; behind it the engine's limit on threads of the host",
        at_it="Starting one more fails, and the run with it unless the tool handles that.",
        instead="Start fewer at a time, by a pool of 8 for example",
    ),
    Limit(
        "open_files", "Open files", Unit.COUNT, 16, 4096, 4096,
        held_by="RLIMIT_NOFILE in the box",
        at_it="Opening one more fails, and the run with it unless the tool handles that.",
        instead="Close each file when it is done with, by “with open(…) as file:”",
    ),
    Limit(
        "scratch_bytes", "Scratch space", Unit.BYTES, 1 * MIB, 512 * MIB, 2 * GIB,
        held_by="the size of the box's only writable folder, and RLIMIT_FSIZE for one file",
        at_it="Writing fails, and the run with it unless the tool handles that. What lies there counts as memory too.",
        instead="Write less, or delete what is not needed any more",
    ),
    Limit(
        "output_bytes", "Output", Unit.BYTES, 1 * KIB, 10 * MIB, 10 * MIB,
        held_by="the host, which counts every byte",
        at_it="What goes beyond it is not kept, and one line says so; at twice as much the run is stopped.",
        instead="Print less, or save long output as a file",
    ),
    Limit(
        "result_bytes", "Result", Unit.BYTES, 1 * KIB, 8 * MIB, 8 * MIB,
        held_by="the box, and the host again",
        at_it="The run fails.",
        instead="Save it as an artifact by func.save_artifact and return its name",
    ),
    Limit(
        "artifact_files", "Files kept", Unit.COUNT, 0, 100, 1000,
        held_by="the box, and the host again",
        at_it="Further files are left out, and the output names each; the run goes on.",
        instead="Put many small files into one archive",
    ),
    Limit(
        "artifact_bytes", "Size of files kept", Unit.BYTES, 0, 100 * MIB, 1 * GIB,
        held_by="the box, and the host again",
        at_it="Files that no longer fit are left out, and the output names each; the run goes on.",
        instead="Keep fewer or smaller files",
    ),
    Limit(
        "spans", "Recorded calls", Unit.COUNT, 1, 10_000, 20_000,
        held_by="the box, and the host again",
        at_it="Further calls are made and not recorded; one line of the output says so.",
        instead="Call other functions less often",
    ),
    Limit(
        "requests", "Requests to the platform", Unit.COUNT, 1, 10_000, 100_000,
        held_by="the host",
        at_it="The run is stopped and fails.",
        instead="Ask for more at a time",
    ),
    Limit(
        "call_depth", "Depth of calls", Unit.COUNT, 1, 100, 200,
        held_by="the box",
        at_it="The call that would go deeper fails, and the run with it unless the tool handles that.",
        instead="Call the functions one after the other",
    ),
    Limit(
        "model_tokens", "Tokens of language models", Unit.COUNT, 0, 200_000, 100_000_000,
        held_by="the host, which reserves what a call may use before it asks, over all attempts of the run",
        at_it="The model is not asked, and the run fails unless the tool handles that.",
        instead="Ask with shorter texts, or for shorter answers by max_tokens",
    ),
    Limit(
        "model_cents", "Cost of language models, US cents", Unit.COUNT, 0, 200, 1_000_000,
        held_by="the host, by the price list, over all attempts of the run; a model without a known price costs nothing here",
        at_it="No further model is asked, and the run fails unless the tool handles that.",
        instead="Ask a cheaper model, or less often",
    ),
)  # fmt: skip

LIMITS: Mapping[str, Limit] = {row.name: row for row in _ROWS}
