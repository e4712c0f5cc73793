"""`make chaos`: runs are started without a pause while things break, and every promise is checked in the end.

The last line is JSON: what was tried, what was lost or done twice, how long recovery took, which sabotages were caught.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.checker import Verdict, check
from tests.chaos.engine import Engine
from tests.chaos.faults import WORKERS, Nemesis
from tests.chaos.history import History, Watcher, rows_or_none, wait_for
from tests.chaos.load import Load, write_functions
from tests.chaos.saboteur import SABOTAGES
from tests.processes.installation import Foundation, Installation, install, prepare_foundation

LEASE_SECONDS = 3
SWEEP_SECONDS = 1  # the scheduler's round
REST_SECONDS = 150
MOST_STRIKES = 10  # against one sabotage
IN_ALL = ("worker-kill", "worker-stop", "redis-kill", "redis-flush", "messages", "postgres")
# An engine that is killed while boxes are frozen does not come back until somebody thaws them: that is not mended yet.
MODES = (*IN_ALL, "docker")
OPEN = "SELECT count(*) FROM runs_run WHERE finished_at IS NULL"
SETTINGS = {
    "SELFSMITH_LEASE_SECONDS": str(LEASE_SECONDS),
    "SELFSMITH_BOXES_MIN": "2",
    "SELFSMITH_PACKAGES_INDEX": "http://127.0.0.1:9/",
}


def main() -> int:
    options = read_options()
    modes = IN_ALL if options.mode == "all" else (options.mode,)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="selfsmith-chaos-", dir="/var/tmp")))
        (folder / "foundation").mkdir()
        foundation = stack.enter_context(prepare_foundation(folder / "foundation"))
        engine = stack.enter_context(Engine(os.environ["SELFSMITH_BOX_IMAGE"])) if "docker" in modes else None
        summary = play(foundation, folder / "home", modes, options, engine)
        caught = [name for name in options.sabotages if is_caught(foundation, folder / f"sabotage-{name}", name, options.seed)]
    summary |= {"sabotages": len(options.sabotages), "sabotages_caught": len(caught)}
    say(json.dumps(summary))
    fine = not summary["lost"] and not summary["double"] and len(caught) == len(options.sabotages)
    return 0 if fine and summary["faults_hit"] >= options.faults else 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--mode", choices=(*MODES, "all"), default="all")
    parser.add_argument("--runs", type=int, default=1000, help="how many runs at least")
    parser.add_argument("--faults", type=int, default=100, help="how many faults that hit at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sabotages", default="all", help="`all`, `none`, or names with commas")
    options = parser.parse_args()
    names = {"all": ",".join(SABOTAGES), "none": ""}.get(options.sabotages, options.sabotages)
    options.sabotages = [name for name in names.split(",") if name]
    if unknown := set(options.sabotages) - set(SABOTAGES):
        parser.error(f"no such sabotage: {', '.join(sorted(unknown))}; there are {', '.join(SABOTAGES)}")
    return options


def play(
    foundation: Foundation, home: Path, modes: tuple[str, ...], options: argparse.Namespace, engine: Engine | None
) -> dict[str, Any]:
    """Faults of every mode in turn, until enough have hit and enough runs were acknowledged."""
    settings = {"DOCKER_HOST": engine.address} if engine else {}
    history = History()
    with two_workers(foundation, home, settings) as installation:
        nemesis = Nemesis(installation, history, engine=engine, seed=options.seed)
        load = Load(installation, history, total=10**9, at_once=8, seed=options.seed)
        with nemesis, Watcher(installation, history):
            load.start()
            number = 0
            while count_hits(history) < options.faults or len(history.acknowledged) < options.runs:
                fault = nemesis.strike(modes[number % len(modes)])
                number += 1
                say(
                    f"{number:4} {fault.mode:12} hit {len(fault.hit):2}  runs {len(history.acknowledged):5}  {recovery_of(fault)}"
                )
            load.stop()
            verdict = come_to_rest(installation, history)
    for sentence in [*verdict.lost, *verdict.double]:
        say(sentence)
    return {
        "mode": options.mode,
        "runs": len(history.acknowledged),
        "faults_hit": count_hits(history),
        "lost": len(verdict.lost),
        "double": len(verdict.double),
        "recovery_p95_s": recovery_p95(history),
        "refused_while_struck": len(load.refused),
    }


def is_caught(foundation: Foundation, home: Path, name: str, seed: int) -> bool:
    """Whether the checker finds fault with an installation that lacks one guard."""
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.chaos.sabotaged_settings",
        "CHAOS_SABOTAGE": name,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    history = History()
    with two_workers(foundation, home, settings) as installation:
        nemesis = Nemesis(installation, history, engine=None, seed=seed, patience=15)
        load = Load(installation, history, total=40, at_once=8, seed=seed)
        with nemesis, Watcher(installation, history):
            load.start()
            for _ in range(MOST_STRIKES):
                if load.goes_on:
                    nemesis.strike(SABOTAGES[name][1])
            load.stop()
            verdict = come_to_rest(installation, history, seconds=20)
    say(f"sabotage {name}: {'caught' if not verdict.is_clean else 'NOT CAUGHT'} {[*verdict.lost, *verdict.double][:1]}")
    return not verdict.is_clean


@contextmanager
def two_workers(foundation: Foundation, home: Path, settings: Mapping[str, str]) -> Iterator[Installation]:
    home.mkdir()
    with install(foundation, home, {**SETTINGS, **settings}) as installation:
        installation.start(WORKERS[1])
        write_functions(installation)
        yield installation


def come_to_rest(installation: Installation, history: History, seconds: float = REST_SECONDS) -> Verdict:
    """No run is open any more, or never will end; then the verdict. What is wrong is shown with the processes' last words."""
    wait_for(lambda: rows_or_none(installation, OPEN) == [(0,)], seconds)
    verdict = check(installation, history)
    if not verdict.is_clean and "CHAOS_SABOTAGE" not in installation.variables:
        for name, text in installation.logs():
            say(f"--- {name}\n{text}")
    return verdict


def count_hits(history: History) -> int:
    return sum(bool(fault.hit) for fault in history.faults)


def recovery_of(fault: Any) -> str:
    longest = max(fault.recovered_after.values(), default=0.0)
    return f"recovered after {longest:.1f} s at most"


def recovery_p95(history: History) -> float | None:
    """Of the runs that a fault cost their attempt: from the strike to the next attempt, or to the run's end."""
    seconds = sorted(after for fault in history.faults for after in fault.recovered_after.values())
    return round(statistics.quantiles(seconds, n=20)[-1], 2) if len(seconds) > 1 else None


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
