"""`make chaos`: runs are started without a pause while things break, and every promise is checked in the end.

The summary is JSON: what was tried, what was lost or done twice, how long recovery took, which sabotages were caught.
"""

import argparse
import itertools
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.checker import Verdict, check, recoveries
from tests.chaos.engine import Engine
from tests.chaos.faults import WORKERS, Nemesis
from tests.chaos.history import BOUND_SECONDS, LEASE_SECONDS, Fault, History, Watcher, now, rows_or_none, wait_for
from tests.chaos.load import Load, write_functions
from tests.chaos.saboteur import SABOTAGES
from tests.processes.installation import Foundation, Installation, install, prepare_foundation

REST_SECONDS = 150
SABOTAGED_REST_SECONDS = 12  # far longer than a recovery may take
MODES = ("worker-kill", "worker-stop", "redis-kill", "redis-flush", "messages", "postgres", "docker")
AT_ONCE = 8
SUCCEEDED = "SELECT 1 FROM runs_run WHERE state = 'succeeded' LIMIT 1"
OPEN = "SELECT count(*) FROM runs_run WHERE finished_at IS NULL"
SETTINGS = {
    "SELFSMITH_LEASE_SECONDS": str(LEASE_SECONDS),
    "SELFSMITH_BOXES_MIN": "2",
    "SELFSMITH_PACKAGES_INDEX": "http://127.0.0.1:9/",
}


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that all that was started is ended
    options = read_options()
    modes = MODES if options.mode == "all" else (options.mode,)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="selfsmith-chaos-", dir="/var/tmp")))
        (folder / "foundation").mkdir()
        foundation = stack.enter_context(prepare_foundation(folder / "foundation"))
        engine = stack.enter_context(Engine(os.environ["SELFSMITH_BOX_IMAGE"])) if "docker" in modes else None
        summary = play(foundation, folder / "home", modes, options, engine)
        caught = [name for name in options.sabotages if is_caught(foundation, folder / f"sabotage-{name}", name, options.seed)]
    summary |= {"sabotages": len(options.sabotages), "sabotages_caught": len(caught)}
    options.summary.write_text(json.dumps(summary))
    is_quick = (summary["recovery_p95_s"] or 0.0) <= BOUND_SECONDS
    return 0 if is_quick and not summary["lost"] and not summary["double"] and len(caught) == len(options.sabotages) else 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--mode", choices=(*MODES, "all"), default="all")
    parser.add_argument("--runs", type=int, default=1000, help="how many runs at least")
    parser.add_argument("--faults", type=int, default=100, help="how many faults that hit at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sabotages", default="all", help="`all`, `none`, or names with commas")
    parser.add_argument("--summary", type=Path, required=True, help="the file for what the installer says last")
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
        nemesis = Nemesis(installation, history, engine=engine)
        load = Load(installation, history, at_once=AT_ONCE, once=0.2, seed=options.seed)
        with nemesis, Watcher(installation, history):
            load.start()
            for number, mode in enumerate(itertools.cycle(modes), 1):
                fault = nemesis.strike(mode)
                say(f"{number:4} {describe(fault)}  runs {len(history.acknowledged):5}")
                if count_hits(history) >= options.faults and len(history.acknowledged) >= options.runs:
                    break
            verdict = come_to_rest(installation, history, nemesis, load, REST_SECONDS)
        for sentence in [*verdict.lost, *verdict.double]:
            say(sentence)
        if not verdict.is_clean:
            show_logs(installation)
        recovered = recoveries(installation, history)
    tell_modes(history, recovered)
    return {
        "mode": options.mode,
        "runs": len(history.acknowledged),
        "faults_hit": count_hits(history),
        "lost": len(verdict.lost),
        "double": len(verdict.double),
        "recovery_p95_s": p95([after for each in recovered.values() for after in each]),
        "refused_while_struck": len(load.refused),
    }


def is_caught(foundation: Foundation, home: Path, name: str, seed: int) -> bool:
    """Whether the checker finds fault with an installation that lacks one guard. It looks after every strike."""
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.chaos.sabotaged_settings",
        "CHAOS_SABOTAGE": name,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    history = History()
    began = now()
    with two_workers(foundation, home, settings) as installation:
        if statement := SABOTAGES[name].statement:
            code = f"from django.db import connection\nconnection.cursor().execute({statement!r})"
            installation.manage("shell", "--verbosity=0", "--command", code, role="owner")
        nemesis = Nemesis(installation, history, engine=None, patience=SABOTAGED_REST_SECONDS)
        load = Load(installation, history, at_once=AT_ONCE, once=0.5, seed=seed)
        with nemesis, Watcher(installation, history):
            load.start()
            for _ in range(SABOTAGES[name].strikes):
                fault = nemesis.strike(SABOTAGES[name].mode)
                if check(installation, history).double or not (fault.hit and fault.is_over):
                    break  # there is something to be found
            verdict = come_to_rest(installation, history, nemesis, load, SABOTAGED_REST_SECONDS)
        works = bool(installation.rows(SUCCEEDED))
        if not works:
            show_logs(installation)
    is_proof = works and not verdict.is_clean  # one that only stops everything shows nothing about its guard
    word = "caught" if is_proof else "NOT CAUGHT"
    say(f"sabotage {name}: {word} in {(now() - began).total_seconds():.0f} s {[*verdict.double, *verdict.lost][:2]}")
    return is_proof


@contextmanager
def two_workers(foundation: Foundation, home: Path, settings: Mapping[str, str]) -> Iterator[Installation]:
    home.mkdir()
    with install(foundation, home, {**SETTINGS, **settings}) as installation:
        installation.start(WORKERS[1])
        write_functions(installation)
        yield installation


def come_to_rest(installation: Installation, history: History, nemesis: Nemesis, load: Load, seconds: float) -> Verdict:
    """No run is open any more, or never will end; then the verdict. The last run is begun in an idle and silent installation.

    Nobody but the scheduler can find it: workers that are busy would come across it by themselves.
    """

    def is_at_rest() -> bool:
        return rows_or_none(installation, OPEN) == [(0,)]

    load.stop()
    if wait_for(is_at_rest, seconds):
        with nemesis.silence():
            load.begin_one_more()
        wait_for(is_at_rest, seconds)
    return check(installation, history)


def show_logs(installation: Installation) -> None:
    for name, text in installation.logs():
        say(f"--- {name}\n{text}")


def describe(fault: Fault) -> str:
    """The strike, until it was healed, and until all that it hit had ended."""
    healed = (fault.healed - fault.began).total_seconds() if fault.healed else 0.0
    seconds = (now() - fault.began).total_seconds()
    return f"{fault.mode:12} hit {len(fault.hit):2}  healed after {healed:4.1f} s  all ended after {seconds:4.1f} s"


def count_hits(history: History) -> int:
    return sum(bool(fault.hit) for fault in history.faults)


def tell_modes(history: History, recovered: Mapping[str, list[float]]) -> None:
    """One line for each mode that was played."""
    for mode, seconds in recovered.items():
        faults = [fault for fault in history.faults if fault.mode == mode and fault.hit]
        runs = sum(len(fault.hit) for fault in faults)
        figures = f"p95 {p95(seconds)} s, worst {max(seconds, default=0.0):.1f} s"
        say(f"{mode:12} {len(faults):3} faults hit {runs:4} runs and cost {len(seconds):4} an attempt: {figures}")


def p95(seconds: Sequence[float]) -> float | None:
    """None for fewer than two."""
    return round(statistics.quantiles(seconds, n=20, method="inclusive")[-1], 2) if len(seconds) > 1 else None


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
