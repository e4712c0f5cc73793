"""A function written by hand that prints a line every moment, and how it is run and looked at over REST."""

from typing import Any

from tests.processes.installation import Installation, checked

SECONDS = 60
SLOW = '''
import time

import func


def {name}(lines: int = 12, pause: float = 0.25) -> int:
    """Print lines, one every moment, and keep a file early on."""
    func.save_artifact("early.txt", b"early")
    for number in range(lines):
        print(f"line {{number}} at {{time.time():.6f}}", flush=True)
        time.sleep(pause)
    return lines
'''


def write(installation: Installation, name: str) -> None:
    checked(installation.api("developer").post("/functions", json={"source": SLOW.format(name=name)}))


def begin(installation: Installation, name: str, **arguments: Any) -> str:
    started: str = checked(installation.api("developer").post(f"/functions/{name}/runs", json={"arguments": arguments}))["id"]
    return started


def look(installation: Installation, run_id: str) -> Any:
    return checked(installation.api("developer").get(f"/runs/{run_id}"))


def log_of(installation: Installation, run_id: str) -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]] = checked(installation.api("developer").get(f"/runs/{run_id}/log"))
    return pieces


def wait_for_output(installation: Installation, run_id: str) -> None:
    installation.wait_until(lambda: "line 1 " in text_of(log_of(installation, run_id)), SECONDS, "the run's second line")


def text_of(pieces: list[dict[str, Any]]) -> str:
    return "".join(piece["text"] for piece in pieces)


def wait_for_end(installation: Installation, run_id: str) -> Any:
    def ended() -> Any:
        run = look(installation, run_id)
        return run if run["finished_at"] else None

    return installation.wait_until(ended, SECONDS, "the run's end")


def holder_of(installation: Installation, run_id: str) -> str:
    """The worker that is at the run, told by the process id in its lease."""
    ((leased_by,),) = installation.rows("SELECT leased_by FROM runs_run WHERE id = %s", run_id)
    pid = int(leased_by.split(":")[1])
    (found,) = [name for name, process in installation.processes.items() if process.pid == pid]
    return found


def attempts_of(installation: Installation, run_id: str) -> list[tuple[object, ...]]:
    return installation.rows("SELECT number, outcome FROM runs_attempt WHERE run_id = %s ORDER BY number", run_id)


def boxes_of(installation: Installation, run_id: str) -> list[Any]:
    return [box for box in installation.boxes() if run_id in box.name or box.labels.get("selfsmith.run") == run_id]
