"""run, runs, logs, cancel."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from selfsmith.cli.frame import INTERRUPTED, RUN_FAILED, common, place_of, signed_in
from selfsmith.cli.output import Output, is_interactive
from selfsmith.client import Client
from selfsmith.models import AWAITING_APPROVAL, Function, Run, RunDetail

RUN_COLUMNS = {"id": "RUN", "function": "FUNCTION", "state": "STATE", "seconds": "SECONDS", "created_at": "BEGUN"}
NO_RUN = "There is no such run. Begin one by `selfsmith run NAME`."


@click.command()
@click.argument("name")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument, read as the function takes it.")
@click.option("--json-args", metavar="JSON|@FILE|@-", help="All arguments as one JSON object.")
@click.option("--file", "paths", multiple=True, type=click.Path(exists=True, dir_okay=False), help="A file to run it on.")
@click.option("--wait/--no-wait", default=True, help="Follow it to its end (usual), or only begin it.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds to wait at most; the run goes on.")
@click.option("--download", type=click.Path(file_okay=False), help="A folder for the files that it makes.")
@common
def run(out: Output, /, name: str, pairs: tuple[str, ...], json_args: str | None, paths: tuple[str, ...], **how: Any) -> None:
    """Run a function on the platform and show what it says, then its result."""
    with signed_in() as client:
        arguments = read_arguments(client.functions.get(name), pairs, json_args)
        files = [client.files.upload(path).id for path in paths]
        started = client.functions.start(name, arguments, files=files)
        if not how["wait"]:
            out.say(f"Begun. Follow it by `selfsmith logs -f {started.id}`.")
            out.one(started, str(started.id))
            return
        ended = _watched(out, client, started, how["timeout"])
        if how["download"]:
            _download(out, client, ended, Path(how["download"]))
        _show_end(out, ended)


def read_arguments(function: Function, pairs: tuple[str, ...], json_args: str | None) -> dict[str, Any]:
    """What was said on the command line, as the function's parameters take it."""
    arguments = _object(json_args) if json_args else {}
    properties = function.input_schema.get("properties", {})
    for pair in pairs:
        name, mark, text = pair.partition("=")
        if not mark:
            raise click.UsageError(f"--arg {pair}: say NAME=VALUE.")
        takes_text = properties.get(name, {}).get("type") == "string"
        arguments[name] = text if takes_text else _value(text)
    return arguments


def _object(given: str) -> dict[str, Any]:
    try:
        if given == "@-":
            given = sys.stdin.read()
        elif given.startswith("@"):
            given = Path(given[1:]).read_text(encoding="utf-8")
        told = json.loads(given)
    except (OSError, ValueError, RecursionError) as error:
        raise click.UsageError(f"--json-args cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise click.UsageError("--json-args must be one JSON object: names with their values.")
    return told


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _watched(out: Output, client: Client, started: Run, timeout: float | None) -> RunDetail:
    """The run when it has ended, with what it says shown meanwhile. An interruption asks what shall become of it."""
    try:
        _follow(out, client, started, timeout)
    except KeyboardInterrupt:
        out.clear_status()
        if is_interactive() and click.confirm(f"Cancel the run {started.id}?", err=True):
            client.runs.cancel(started.id)
            out.say("It is being stopped.")
        else:
            out.say(f"The run goes on. `selfsmith logs -f {started.id}` follows it, `selfsmith cancel {started.id}` stops it.")
        raise click.exceptions.Exit(INTERRUPTED) from None
    return client.runs.get(started.id)


def _follow(out: Output, client: Client, started: Run, timeout: float | None) -> None:
    told = Told(out, client)
    for piece in client.runs.follow(started.id, heard=told.hear, timeout=timeout):
        if not out.as_json:
            out.log(piece.text, to_errors=True)
    out.clear_status()


class Told:
    """Says how far a run is: its state, its progress, and once that people have to decide."""

    def __init__(self, out: Output, client: Client) -> None:
        self._out = out
        self._client = client
        self._has_told_of_people = False

    def hear(self, run: Run) -> None:
        if run.state == AWAITING_APPROVAL and not self._has_told_of_people:
            self._has_told_of_people = True
            self._out.say(f"People have to decide on what it needs first: {place_of(self._client, 'approvals/')}")
        done = f" {run.progress:.0%}" if run.progress is not None else ""
        self._out.status(f"{run.function}: {run.state.replace('_', ' ')}{done} {run.progress_text}".rstrip())


def _download(out: Output, client: Client, ended: RunDetail, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for artifact in ended.artifacts:
        out.status(f"{artifact.name}: {artifact.size:,} bytes")
        out.say(f"{client.files.download(artifact, folder)} ({artifact.size:,} bytes)")


def _show_end(out: Output, ended: RunDetail) -> None:
    if out.as_json:
        out.document(ended)
    elif ended.has_succeeded:
        out.give(ended.result)
    else:
        out.say(f"The run {ended.id} ended as {ended.state.replace('_', ' ')}. {ended.message}".rstrip())
        if trace := str((ended.error or {}).get("traceback") or ""):
            out.say(trace.rstrip())
    if not ended.has_succeeded:
        raise click.exceptions.Exit(RUN_FAILED)


@click.command()
@click.option("--state", default="", help="Only runs in this state, such as failed.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@common
def runs(out: Output, state: str, limit: int) -> None:
    """Runs, newest first."""
    with signed_in() as client:
        out.rows(client.runs.list(state=state, limit=limit), RUN_COLUMNS, nothing=NO_RUN)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended, also over broken connections.")
@common
def logs(out: Output, run_id: str, *, follow: bool) -> None:
    """What a run has said."""
    with signed_in() as client:
        told = Told(out, client)
        pieces = client.runs.follow(run_id, heard=told.hear) if follow else client.runs.log(run_id)
        for piece in pieces:
            if out.as_json:
                out.document(piece)
            else:
                out.log(piece.text)
        out.clear_status()


@click.command()
@click.argument("run_id", metavar="RUN")
@common
def cancel(out: Output, run_id: str) -> None:
    """Stop a run."""
    with signed_in() as client:
        stopped = client.runs.cancel(run_id)
        out.one(stopped, f"{stopped.id} is {stopped.state}.")
