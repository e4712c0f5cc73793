"""The library as a tree of files: pull it, change it, push what changed. Nobody's change is overwritten unseen.

`.selfsmith.json` at the top remembers what was pulled, so that three states can be told apart: what it was, what it is
here, and what it is on the platform by now.
"""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from selfsmith.client import Client
from selfsmith.definition import Definition, is_pair
from selfsmith.errors import CannotBePushed, NotFound, Refused
from selfsmith.models import Function

MEMORY = ".selfsmith.json"
NOT_YET = "unknown_dependency"  # the platform's code where a function that this one calls is not there


@dataclass
class Memory:
    """Digests of what was pulled or pushed last, for one workspace of one Selfsmith."""

    folder: Path
    where: str
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, client: Client) -> Self:
        """What is remembered of this account's workspace; of another one nothing counts here.

        Raises: CannotBePushed
        """
        where = f"{client.url}/w/{client.me().workspace}"
        try:
            told = json.loads((folder / MEMORY).read_bytes())
            digests = told["functions"] if told["workspace"] == where else {}
            return cls(folder, where, {str(name): str(digest) for name, digest in digests.items()})
        except FileNotFoundError:
            return cls(folder, where)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CannotBePushed(f"{folder / MEMORY} is damaged: remove it, and pull into an empty folder.") from error

    def write(self) -> None:
        text = json.dumps({"workspace": self.where, "functions": self.digests}, indent=2, sort_keys=True) + "\n"
        (self.folder / MEMORY).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Step:
    """What a pull or push does with one function: new, changed, none, kept (and why), gone, or refused (and why)."""

    name: str
    change: str
    reason: str = ""
    diff: str = ""


@dataclass(frozen=True)
class Planned:
    """One function of a push: what it is here, and what it is there, if it is."""

    mine: Definition
    theirs: Definition | None
    version: int | None
    step: Step


def pull(client: Client, folder: Path, *, force: bool = False, prune: bool = False) -> Iterator[Step]:
    """Write the library's functions into a folder. What was changed here since stays, unless `force`.

    Args:
        prune: remove files of functions that are no longer there.

    Raises: CannotBePushed, Refused and its kinds, Unreachable
    """
    folder.mkdir(parents=True, exist_ok=True)
    memory = Memory.read(folder, client)
    seen: dict[str, str] = {}
    for function in client.functions.list():
        if function.name.lower() in seen:
            yield Step(function.name, "kept", f"{seen[function.name.lower()]} would be the same file on many systems.")
            continue
        seen[function.name.lower()] = function.name
        if function.version is None:
            yield Step(function.name, "kept", "It has no active version.")
        else:
            yield _pull_one(client, function, memory, force=force)
    for name in sorted(memory.digests.keys() - seen.values()):
        yield _gone(memory, name, prune=prune)
    memory.write()


def _pull_one(client: Client, function: Function, memory: Memory, *, force: bool) -> Step:
    theirs = _of_platform(client, function)
    path = memory.folder / f"{theirs.name}.py"
    mine = Definition.read(path) if path.exists() and is_pair(path) else None
    if mine is None and path.exists() and not force:
        return Step(theirs.name, "kept", f"{path.name} lies here and is none that was pulled.")
    if mine is not None and same(_completed(mine, theirs), theirs):
        theirs.write(memory.folder)  # settings may be said in another order, or not at all
        memory.digests[theirs.name] = theirs.digest()
        return Step(theirs.name, "none")
    if mine is not None and mine.digest() != memory.digests.get(theirs.name) and not force:
        why = "It was changed here. Push it, or say --force to lose that."
        return Step(theirs.name, "kept", why, difference(theirs, mine, "platform", "here"))
    theirs.write(memory.folder)
    memory.digests[theirs.name] = theirs.digest()
    if mine is None:
        return Step(theirs.name, "new")
    return Step(theirs.name, "changed", diff=difference(mine, theirs, "here", "platform"))


def _gone(memory: Memory, name: str, *, prune: bool) -> Step:
    path = memory.folder / f"{name}.py"
    if not path.exists():
        del memory.digests[name]
        return Step(name, "gone", "It is no longer in the library.")
    if not prune or not is_pair(path) or Definition.read(path).digest() != memory.digests[name]:
        why = "It is no longer in the library. Its files stay; say --prune to remove what was not changed here."
        return Step(name, "kept", why)
    path.unlink()
    path.with_suffix(".json").unlink()
    del memory.digests[name]
    return Step(name, "gone", "It is no longer in the library; its files are removed.")


def plan(client: Client, memory: Memory, paths: list[Path], *, force: bool = False) -> list[Planned]:
    """What pushing these pairs of files would do.

    Raises: CannotBePushed, Refused and its kinds, Unreachable
    """
    return [_plan_one(client, memory, Definition.read(path), force=force) for path in paths]


def _plan_one(client: Client, memory: Memory, mine: Definition, *, force: bool) -> Planned:
    try:
        function = client.functions.get(mine.name)
    except NotFound:
        return Planned(mine, None, None, Step(mine.name, "new"))
    if function.archived_at is not None:
        return Planned(mine, None, None, Step(mine.name, "refused", "It is archived there: bring it back first."))
    if function.version is None:
        return Planned(mine, None, None, Step(mine.name, "refused", "It has no active version there: activate one first."))
    theirs = _of_platform(client, function)
    known = memory.digests.get(mine.name)
    mine = _completed(mine, theirs)
    if same(mine, theirs):
        step = Step(mine.name, "none")
    elif known == mine.digest() and not force:
        step = Step(mine.name, "kept", "It was changed on the platform and not here: pull it.")
    elif known not in (None, theirs.digest()) and not force:
        why = "Somebody changed it on the platform since it was pulled. Pull into another folder and compare, or say --force."
        step = Step(mine.name, "refused", why, difference(theirs, mine, "platform", "here"))
    else:
        step = Step(mine.name, "changed", diff=difference(theirs, mine, "platform", "here"))
    return Planned(mine, theirs, function.version, step)


def carry_out(client: Client, memory: Memory, planned: list[Planned], *, note: str = "") -> Iterator[Step]:
    """Do what was planned. A function waits for those that it calls; one refusal leaves the others alone.

    Raises: Unreachable
    """
    waiting = [each for each in planned if each.step.change in ("new", "changed")]
    yield from (each.step for each in planned if each not in waiting)
    for each in planned:
        if each.step.change == "none":
            memory.digests[each.mine.name] = (each.theirs or each.mine).digest()
    while waiting:
        later: list[tuple[Planned, Refused]] = []
        for each in waiting:
            try:
                yield _save(client, memory, each, note)
            except Refused as error:
                if error.code == NOT_YET:
                    later.append((each, error))
                else:
                    yield Step(each.mine.name, "refused", error.message)
        if len(later) == len(waiting):
            yield from (Step(each.mine.name, "refused", error.message) for each, error in later)
            break
        waiting = [each for each, _ in later]
    memory.write()


def _save(client: Client, memory: Memory, planned: Planned, note: str) -> Step:
    mine, theirs = planned.mine, planned.theirs
    said: dict[str, Any] = {"description": mine.description, "tags": mine.tags}
    if theirs is None:
        known = {name: value for name, value in said.items() if value}  # else the docstring describes it
        client.functions.create(mine.source, name=mine.name, **known, **mine.body())
    else:
        if same_version(mine, theirs):
            client.functions.describe(mine.name, **said)
        else:
            client.versions.write(mine.name, mine.source, based_on=planned.version, note=note, **mine.body())
            if (mine.description, mine.tags) != (theirs.description, theirs.tags):
                client.functions.describe(mine.name, **said)
    kept = _of_platform(client, client.functions.get(mine.name))
    memory.digests[mine.name] = kept.digest()
    if kept.source == mine.source:
        kept.write(memory.folder)  # in the platform's own spelling: sorted, with what it added
    return Step(mine.name, planned.step.change)


def _completed(mine: Definition, theirs: Definition) -> Definition:
    """What is meant by saying nothing: retries stay as they are there, and who takes out all pins wants none."""
    if not mine.retry_class:
        mine = replace(mine, retry_class=theirs.retry_class, retry=mine.retry or theirs.retry)
    if mine.dependencies or not theirs.dependencies:
        return mine
    return replace(mine, dependencies=[each.partition("@")[0] for each in theirs.dependencies])


def same_version(mine: Definition, theirs: Definition) -> bool:
    """Whether nothing differs that a version holds."""
    return mine.source == theirs.source and {**theirs.body(), **mine.body()} == theirs.body()


def same(mine: Definition, theirs: Definition) -> bool:
    return same_version(mine, theirs) and (mine.description, mine.tags) == (theirs.description, theirs.tags)


def difference(before: Definition, after: Definition, named: str, other: str) -> str:
    """What differs, as `diff -u` writes it: the source, then the settings."""
    return "".join(_lines(before, after, named, other))


def _lines(before: Definition, after: Definition, named: str, other: str) -> Iterator[str]:
    for suffix in (".py", ".json"):
        old, new = (each.files()[suffix].splitlines() for each in (before, after))
        names = f"{named}/{before.name}{suffix}", f"{other}/{after.name}{suffix}"
        for line in difflib.unified_diff(old, new, *names, lineterm=""):
            yield line + "\n"


def _of_platform(client: Client, function: Function) -> Definition:
    assert function.version is not None
    return Definition.of(function, client.versions.get(function.name, function.version).source)


def as_json(step: Step) -> dict[str, Any]:
    return {"function": step.name, "change": step.change, "reason": step.reason, "diff": step.diff}
