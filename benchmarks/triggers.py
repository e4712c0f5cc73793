"""Events among few rules and functions and among a hundred times as many: telling one, and from one to the result of its run.

One webhook has no rule and is answered at once; the other has one, and is answered with what the run of that gave. All other
rules wait for events of other types.
"""

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from benchmarks.figures import Figure
from benchmarks.filling import fill_functions, fill_rules, filling
from benchmarks.growing import Cost, compare, costs_of
from benchmarks.installations import isolated, running
from tests.processes.installation import Installation, checked

ONE = 'def one(number: int) -> int:\n    """Give it back."""\n    return number\n'
SECRET = "a secret of this benchmark"  # noqa: S105  of an installation that is removed again
RULE = {"name": "one", "event_type": "webhook.bench", "target": "one", "arguments": {"number": "event.data.body.number"}}
# As many deliveries and runs as the product lets one webhook and one rule have; the benchmark stays below.
WEBHOOK = {"scheme": "github", "secret": SECRET, "most_per_minute": 1_000}


@dataclass(frozen=True)
class Size:
    """How much is stored."""

    functions: int
    rules: int

    def __str__(self) -> str:
        return f"{self.functions} functions, {self.rules} rules"


SMALL, LARGE = Size(100, 100), Size(10_000, 10_000)


def measure(folder: Path) -> list[Figure]:
    with running(folder) as installation:
        isolated(installation, ONE, "function")
        developer = installation.api("developer")
        paths = {
            name: checked(developer.post("/webhooks", json={**WEBHOOK, "name": name}))["path"] for name in ("alone", "bench")
        }
        rule: str = checked(developer.post("/rules", json={**RULE, "most_per_minute": 1_000, "most_running": 100}))["id"]
        small, large = (_costs(installation, paths, rule, size, folder) for size in (SMALL, LARGE))
    return compare("triggers", (SMALL, LARGE), small, large)


def _costs(installation: Installation, paths: dict[str, str], rule: str, size: Size, folder: Path) -> dict[str, Cost]:
    with filling(installation) as database:
        fill_functions(database, pattern="one", until=size.functions)
        fill_rules(database, pattern=rule, until=size.rules)
    return costs_of(
        installation,
        {
            "an event by webhook that no rule waits for": partial(_send, installation, paths["alone"], 0),
            "an event by webhook, to the result of its rule's run": partial(_send, installation, paths["bench"], 20),
        },
        folder,
    )


def _send(installation: Installation, path: str, wait: int) -> float:
    """Seconds from the request to the answer, which must hold the result when it was waited for."""
    number = secrets.randbits(40)
    body = json.dumps({"number": number}).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    began = time.perf_counter()
    answer = httpx.post(f"{installation.url}{path}?wait={wait}", content=body, headers=headers, timeout=60)
    seconds = time.perf_counter() - began
    assert answer.status_code == (200 if wait else 202), answer.text
    if wait:
        assert [each["result"] for each in answer.json()["runs"]] == [number], answer.text
    return seconds
