"""push, pull, functions, packs, secrets."""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import click

from selfsmith import tree
from selfsmith.cli.frame import GAVE_UP, REFUSED, common, place_of, signed_in
from selfsmith.cli.output import Output, is_interactive
from selfsmith.client import Client
from selfsmith.definition import is_pair
from selfsmith.errors import CannotBePushed
from selfsmith.models import PackReport
from selfsmith.pushing import files_below, is_marked, look_at_files, push_files, read_files

WORDS = {
    "new": "new", "changed": "changed", "none": "unchanged", "set": "set", "kept": "left", "gone": "gone", "refused": "refused",
}  # fmt: skip
MOST_TOLD = 20  # requests; of more it is enough to know that they are
NOTHING = "There is nothing to push: no function that was pulled, and no file with @selfsmith.register_function."
NO_FUNCTION = "There is none. Push one by `selfsmith push FILE`."
PATHS = click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.command()
@PATHS
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--force", is_flag=True, help="Also over what somebody changed on the platform since it was pulled.")
@click.option("--note", default="", help="What is new, kept with each version.")
@common
def push(out: Output, paths: tuple[Path, ...], *, yes: bool, dry_run: bool, force: bool, note: str) -> None:
    """Bring files to the platform: pack files, functions that were pulled, or folders of both.

    What will change is shown first. What needs people's decision waits for them afterwards.
    """
    found = files_below(paths)
    pairs = [path for path in found if is_pair(path)]
    packs = [path for path in found if not is_pair(path) and (path in paths or is_marked(path))]
    if not pairs and not packs:
        raise CannotBePushed(NOTHING)
    with signed_in() as client:
        memories = [
            (tree.Memory.read(folder, client), list(inside))
            for folder, inside in groupby(sorted(pairs), key=lambda path: path.parent)
        ]
        planned = [(memory, tree.plan(client, memory, inside, force=force)) for memory, inside in memories]
        texts = read_files(packs, _common_folder(paths)) if packs else {}
        looked = look_at_files(client, texts, _pack_name(paths)) if texts else None
        steps = [each.step for _, several in planned for each in several]
        if not out.as_json:
            _show(out, steps, looked)
        if dry_run or not _agreed(out, steps, looked, yes=yes):
            _end(out, steps, looked)
            return
        done = [step for memory, several in planned for step in tree.carry_out(client, memory, several, note=note)]
        pushed = push_files(client, texts, _pack_name(paths)) if texts else None
        if not out.as_json:
            _show_refusals(out, done, pushed)
            _tell_of_people(out, client)
        _end(out, done, pushed)


def _common_folder(paths: tuple[Path, ...]) -> Path | None:
    """Names of pack files are told from here on, where one folder was named."""
    return paths[0] if len(paths) == 1 and paths[0].is_dir() else None


def _pack_name(paths: tuple[Path, ...]) -> str:
    """Of a folder its own name; of files the platform's choice."""
    folder = _common_folder(paths)
    return folder.resolve().name if folder else ""


def _agreed(out: Output, steps: list[tree.Step], looked: PackReport | None, *, yes: bool) -> bool:
    """Ask. False where nothing would change."""
    if not any(step.change in ("new", "changed") for step in steps) and not (looked and looked.changes):
        out.say("Nothing to do: the platform has it all.")
        return False
    if yes:
        return True
    if out.as_json or not is_interactive():
        raise click.UsageError("Nobody is here to be asked: say --yes, or --dry-run to only look.")
    if not click.confirm("Push this?", err=True):
        out.say(GAVE_UP)
        return False
    return True


def _show(out: Output, steps: Iterable[tree.Step], looked: PackReport | None) -> None:
    for step in steps:
        out.text(f"{WORDS[step.change]:<10} {step.name}{f': {step.reason}' if step.reason else ''}")
        if step.diff:
            out.text(step.diff.rstrip("\n"))
    for loaded in looked.loaded if looked else []:
        out.text(f"{WORDS[loaded.change]:<10} {loaded.name} ({loaded.file}, line {loaded.line})")
    for rule in looked.rules if looked else []:
        out.text(f"{WORDS['new']:<10} rule “{rule['name']}”")
    for sentence in looked.complaints if looked else []:
        out.text(f"{WORDS['refused']:<10} {sentence}")


def _show_refusals(out: Output, done: list[tree.Step], pushed: PackReport | None) -> None:
    refused = [f"{step.name}: {step.reason}" for step in done if step.change == "refused"] + (pushed.complaints if pushed else [])
    for sentence in refused:
        out.say(f"refused    {sentence}")
    changed = sum(step.change in ("new", "changed") for step in done)
    changed += sum(each.change != "none" for each in pushed.loaded) if pushed and not pushed.asks else 0
    out.say(f"Pushed {changed} {'function' if changed == 1 else 'functions'}.")
    if pushed and pushed.asks:
        out.say(f"The pack “{pushed.pack}” waits for people to agree to what it asks for. Until then nothing of it is there.")


def _tell_of_people(out: Output, client: Client) -> None:
    waiting = len(list(client.approvals.list(state="open", limit=MOST_TOLD)))
    if waiting:
        number = f"{waiting} or more" if waiting == MOST_TOLD else str(waiting)
        where = place_of(client, "approvals/")
        out.say(f"Requests that wait for people: {number}. What needs them runs once they have decided: {where}")


def _end(out: Output, steps: list[tree.Step], pushed: PackReport | None) -> None:
    """The JSON of it, and the exit code when something was refused."""
    if out.as_json:
        pack = pushed.model_dump(mode="json") if pushed else None
        out.document({"functions": [tree.as_json(step) for step in steps], "pack": pack})
    if any(step.change == "refused" for step in steps) or (pushed and pushed.refused):
        raise click.exceptions.Exit(REFUSED)


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also over what was changed here.")
@click.option("--prune", is_flag=True, help="Remove files of functions that are no longer in the library.")
@common
def pull(out: Output, folder: Path, *, force: bool, prune: bool) -> None:
    """Write the library's functions into FOLDER, two files each, for git.

    `name.py` is the source to the byte, `name.json` its settings. Pushing what was pulled changes nothing.
    """
    with signed_in() as client:
        counted: dict[str, int] = {}
        for step in tree.pull(client, folder, force=force, prune=prune):
            counted[step.change] = counted.get(step.change, 0) + 1
            out.status(f"{sum(counted.values())} functions: {step.name}")
            if out.as_json:
                out.document(tree.as_json(step))
            elif step.change != "none":
                out.text(f"{WORDS[step.change]:<10} {step.name}{f': {step.reason}' if step.reason else ''}")
        out.clear_status()
        if not out.as_json:
            out.say(", ".join(f"{number} {WORDS[change]}" for change, number in counted.items()) or "The library is empty.")


@click.command()
@click.option("--search", default="", help="Words in name, description or tags.")
@click.option("--archived", is_flag=True, help="Those in the archive.")
@common
def functions(out: Output, search: str, *, archived: bool) -> None:
    """Functions of the library."""
    columns = {"name": "NAME", "version": "VERSION", "tags": "TAGS", "description": "DESCRIPTION"}
    with signed_in() as client:
        out.rows(client.functions.list(search=search, archived=archived), columns, nothing=NO_FUNCTION)


@click.group()
def packs() -> None:
    """Pack files: plain Python in which a decorator marks the functions."""


@packs.command("list")
@click.option("--search", default="", help="Words of its name.")
@common
def packs_list(out: Output, search: str) -> None:
    """Packs that were brought, and what became of them."""
    columns = {"name": "NAME", "version": "VERSION", "state": "STATE", "description": "DESCRIPTION"}
    with signed_in() as client:
        out.rows(client.packs.list(search=search), columns, nothing="There is none. Load one by `selfsmith packs load PATH`.")


@packs.command("look")
@PATHS
@common
def packs_look(out: Output, paths: tuple[Path, ...]) -> None:
    """What loading pack files would bring. Nothing is kept."""
    with signed_in() as client:
        looked = look_at_files(client, read_files(files_below(paths), _common_folder(paths)), _pack_name(paths))
    if not out.as_json:
        _show(out, [], looked)
    _end(out, [], looked)


@packs.command("load")
@PATHS
@common
def packs_load(out: Output, paths: tuple[Path, ...]) -> None:
    """Load what can be loaded of pack files, without asking."""
    with signed_in() as client:
        pushed = push_files(client, read_files(files_below(paths), _common_folder(paths)), _pack_name(paths))
        if not out.as_json:
            _show(out, [], pushed)
            _tell_of_people(out, client)
    _end(out, [], pushed)


@click.group()
def secrets() -> None:
    """Secrets of functions. Nobody can read a value back."""


@secrets.command("list")
@common
def secrets_list(out: Output) -> None:
    """Names and what may be known."""
    columns = {"name": "NAME", "purpose": "FOR", "fingerprint": "FINGERPRINT", "version": "VERSION", "rotated_at": "SET"}
    with signed_in() as client:
        out.rows(client.secrets.list(), columns, nothing="There is none. Keep one by `selfsmith secrets set NAME`.")


@secrets.command("set")
@click.argument("name")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the value from the standard input, to its end.")
@common
def secrets_set(out: Output, name: str, *, from_stdin: bool) -> None:
    """Keep a value under a name. It is asked for without being shown."""
    if from_stdin:
        value = sys.stdin.read().removesuffix("\n")
    elif is_interactive():
        value = click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise click.UsageError("Nobody is here to be asked: give the value by --stdin.")
    with signed_in() as client:
        kept = client.secrets.set(name, value)
    out.one(kept, f"{kept.name} is kept (version {kept.version}, fingerprint {kept.fingerprint}).")
