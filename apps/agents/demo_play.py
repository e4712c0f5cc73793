"""What the people of the demo do, as a client of the running platform: over HTTP, with nothing of its insides."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx

WORKSPACE = "acme"
LOOK_EVERY = 0.1  # seconds
GVISOR = "gVisor"  # how the kernel of a box that is one begins
type Say = Callable[[str], None]


class DemoFailed(Exception):
    """The platform answered something else than it should, or not in time."""


def play(url: str, passwords: dict[str, str], *, seconds: float, say: Say) -> dict[str, Any]:
    """Watch acme's first task to its end, approving what it asks for; the facts about its end.

    `owner` acts by token, `approver` by a session as a browser would, since tokens cannot vote.

    Raises:
        DemoFailed
    """
    began = time.monotonic()
    with ExitStack() as clients:
        owner, approver = (clients.enter_context(closing(_session(url, name, passwords[name]))) for name in ("owner", "approver"))
        token = _json(owner.post("/api/v1/tokens", json={"name": "demo", "days": 1}))["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        api = clients.enter_context(closing(httpx.Client(base_url=url, headers=bearer, timeout=30)))
        say("owner: signed in, made a token")
        task, voters = _watch(api, approver, deadline=began + seconds, say=say)
        return {**_facts(api, task), "approved_by": ", ".join(voters), "seconds": round(time.monotonic() - began, 1)}


def find_fault(ended: dict[str, Any]) -> str | None:
    """Why a demo that has come to its end is no success all the same; None when it is one."""
    if ended["state"] != "completed":
        return f"The task ended {ended['state']}."
    if not str(ended["kernel"]).startswith(GVISOR):
        return "The tool did not run in gVisor, which is what this shows: do not set SANDBOX_RUNTIME."
    return None


def _session(url: str, name: str, password: str) -> httpx.Client:
    """Sign in by the page's own form."""
    client = httpx.Client(base_url=url, timeout=30, follow_redirects=True)
    page = client.get("/accounts/login/")
    field = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    if field is None:
        raise DemoFailed("The sign-in page has no form.")
    form = {"login": name, "password": password, "csrfmiddlewaretoken": field[1]}
    client.post("/accounts/login/", data=form, headers={"Referer": url})
    if "sessionid" not in client.cookies:
        raise DemoFailed(f"{name} could not sign in.")
    client.headers.update({"X-Workspace": WORKSPACE, "X-CSRFToken": client.cookies["csrftoken"], "Referer": url, "Origin": url})
    return client


def _watch(api: httpx.Client, approver: httpx.Client, *, deadline: float, say: Say) -> tuple[dict[str, Any], list[str]]:
    """Until the task has ended; says each new step once."""
    found = _json(api.get("/api/v1/tasks"))["items"]
    if not found:
        raise DemoFailed("There is no task.")
    task_id, told, voters = found[-1]["id"], set[str](), list[str]()
    while time.monotonic() < deadline:
        task = _json(api.get(f"/api/v1/tasks/{task_id}"))
        for line in _news(task):
            if line not in told:
                told.add(line)
                say(line)
        if task["finished_at"]:
            return task, voters
        if task["waits_for"] == "packages":
            voters += _approve_open(approver, say)
        time.sleep(LOOK_EVERY)
    raise DemoFailed("The task did not end in time.")


def _news(task: dict[str, Any]) -> Iterator[str]:
    for step in task["steps"]:
        if step["tool"]:
            yield f"agent {step['number']}: {step['tool']} — {' '.join(step['text'].split())[:100]}"
        if step["tool"] == "run_tool" and step["observation"]:
            seen = step["observation"]
            yield f"  run {seen.get('attempt')}: {seen.get('state')} {(seen.get('error') or {}).get('message', '')}".rstrip()


def _approve_open(approver: httpx.Client, say: Say) -> list[str]:
    """Vote for every request that waits, on the digest that was shown; who voted."""
    voters: list[str] = []
    for request in _json(approver.get("/api/v1/approvals", params={"state": "open"}))["items"]:
        vote = {"decision": "approve", "reason": "Looked at the evidence.", "digest": request["digest"]}
        answer = _json(approver.post(f"/api/v1/approvals/{request['id']}/votes", json=vote))
        say(f"approver: approved {request['kind']} {request['digest'][:12]}")
        voters += answer["decided_by"]
    return voters


def _facts(api: httpx.Client, task: dict[str, Any]) -> dict[str, Any]:
    """The line that the demo ends with."""
    runs = [step for step in task["steps"] if step["run"]]
    last = _json(api.get(f"/api/v1/runs/{runs[-1]['run']}")) if runs else None
    asked = {name for step in task["steps"] if step["tool"] == "request_package" for name in step["arguments"]["requirements"]}
    pins = last["packages"] if last else []
    return {
        "state": task["state"],
        "tool": last["function"] if last else None,
        "package": next((pin for pin in pins if pin.partition("==")[0] in asked), None),
        "lock_digest": last["lock_digest"] if last else None,
        "attempts": len(runs),
        "kernel": last["kernel"] if last else None,
        "artifact_sha256": last["artifacts"][0]["sha256"] if last and last["artifacts"] else None,
    }


def _json(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise DemoFailed(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()
