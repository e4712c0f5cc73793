"""Push files: what of them would change on the platform, and making it so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfsmith.client import Client
from selfsmith.errors import CannotBePushed, NotFound, Refused
from selfsmith.models import PackReport, Rule
from selfsmith.triggers import TriggerSaid, rule_of, triggers_of

MOST_FILES = 50  # that the platform takes at once
MANIFEST = "pack.toml"
MARKS = ("register_function", "register_trigger")


@dataclass(frozen=True)
class RuleSet:
    """What became of a trigger: `change` is new, changed, none, or refused with a reason."""

    name: str
    file: str
    line: int
    change: str
    reason: str = ""


@dataclass(frozen=True)
class Pushed:
    """What became of pack files: their functions, and the rules of their triggers."""

    pack: PackReport
    rules: list[RuleSet] = field(default_factory=list)

    @property
    def refused(self) -> list[str]:
        """In words, with file and line; empty when all is as the files say."""
        functions = [f"{each.file}, line {each.line}: {each.name or 'the file'}: {each.reason}" for each in self.pack.refused]
        rules = [f"{each.file}, line {each.line}: {each.reason}" for each in self.rules if each.change == "refused"]
        return functions + rules

    @property
    def changes(self) -> bool:
        functions, rules = ([each.change for each in several] for several in (self.pack.loaded, self.rules))
        return any(change != "none" for change in [*functions, *rules])


def read_files(paths: Iterable[Path], below: Path | None = None) -> dict[str, str]:
    """Texts of files by the names under which they are told.

    Raises: CannotBePushed
    """
    texts = {}
    for path in paths:
        try:
            name = path.relative_to(below) if below else Path(path.name)
            if name.as_posix() in texts:
                name = path
            texts[name.as_posix()] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise CannotBePushed(f"{path} is no text in UTF-8.") from None
        except OSError as error:
            raise CannotBePushed(f"{path} cannot be read: {error.strerror}.") from error
    if not 0 < len(texts) <= MOST_FILES:
        raise CannotBePushed(f"Push 1 to {MOST_FILES} files at once; these are {len(texts)}.")
    return texts


def look_at_files(client: Client, texts: Mapping[str, str]) -> Pushed:
    """What pushing would change. Nothing is kept. Of a rule only its triggers are told here, as those that would be set."""
    report = client.packs.look(texts)
    said = _triggers(texts, report)
    return Pushed(report, [RuleSet(each.name, each.file, each.line, _change_of(client, each)) for each in said])


def push_files(client: Client, texts: Mapping[str, str]) -> Pushed:
    """Load the functions that pack files mark, then set the rules of their triggers.

    Raises: CannotBePushed, before anything is kept
    """
    for file, text in texts.items():
        triggers_of(file, text)  # so that a mistake in one is told before anything is kept
    report = client.packs.load(texts)
    return Pushed(report, [_set_rule(client, each) for each in _triggers(texts, report)])


def _triggers(texts: Mapping[str, str], report: PackReport) -> list[TriggerSaid]:
    """Those that are set from here: none where the platform makes the rules of files itself."""
    if report.rules is not None:
        return []
    return [said for file, text in texts.items() for said in triggers_of(file, text)]


def _change_of(client: Client, said: TriggerSaid) -> str:
    return "set" if _existing(client, said) else "new"


def _existing(client: Client, said: TriggerSaid) -> Rule | None:
    try:
        return client.rules.by_name(said.name)
    except NotFound:
        return None


def _set_rule(client: Client, said: TriggerSaid) -> RuleSet:
    """One refusal leaves the other rules alone, and is told."""
    try:
        wanted = rule_of(said, client.functions.get(said.runs))
        existing = _existing(client, said)
        if existing is None:
            client.rules.create(**wanted)
            change = "new"
        elif all(getattr(existing, key) == value for key, value in wanted.items()):
            change = "none"
        else:
            kept = {key: getattr(existing, key) for key in ("error_handler", "most_per_minute", "most_running")}
            client.rules.update(existing.id, **kept, **wanted)
            change = "changed"
    except (Refused, CannotBePushed) as error:
        return RuleSet(said.name, said.file, said.line, "refused", error.message)
    return RuleSet(said.name, said.file, said.line, change)


def files_below(places: Sequence[Path]) -> list[Path]:
    """Python files: those named, and those below folders that are named, with a pack's manifest; no links, nothing hidden.

    Raises: CannotBePushed
    """
    found: dict[Path, None] = {}
    for place in places:
        if not place.exists():
            raise CannotBePushed(f"There is no file or folder {place}.")
        inside = [*sorted(place.rglob("*.py")), *place.glob(MANIFEST)] if place.is_dir() else [place]
        for path in inside:
            parts = path.relative_to(place).parts if place.is_dir() else ()
            if not any(part.startswith(".") or part == "__pycache__" for part in parts) and not path.is_symlink():
                found[path] = None
    return list(found)


def is_marked(path: Path) -> bool:
    """Whether a file is one of packs: its manifest, or it speaks of a decorator of theirs."""
    if path.name == MANIFEST:
        return True
    text = path.read_bytes()
    return any(mark.encode() in text for mark in MARKS)
