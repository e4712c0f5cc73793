"""Which runs somebody looks for: filters that can be combined, and that stand in an address as they were written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from apps.core.ids import uuid7_floor
from apps.core.json_filters import BadFilter, read_filter
from apps.core.json_values import BadJson, read_json
from apps.functions.models import Function
from apps.runs.models import Run, RunQuerySet, RunTrigger
from apps.runs.states import OPEN, RunState

TOO_SLOW = "choose a function, a state or a shorter time beside it."
"""What helps when a search takes too long. Values and words are looked for in every run that the other filters leave."""

OPEN_RUNS = "open"
"""Stands for all states that are no end."""

LONGEST = 1000  # characters of one filter
MOST_WORDS = 10
_EARLIEST, _LATEST = 2000, 9000  # years
_SIGNS = {"=": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_SHORT = re.compile(r"(?P<path>[^=<>!{}]*)(?P<sign>=|!=|>=|<=|>|<)(?P<value>.+)", re.DOTALL)


@dataclass(frozen=True)
class RunFilter:
    """Texts as they were written, "" where nothing is asked for. Made by `read_run_filter`, which has checked it."""

    q: str = ""  # words
    function: str = ""  # ids
    state: str = ""
    person: str = ""
    trigger: str = ""
    since: str = ""  # times
    until: str = ""
    arguments: str = ""  # conditions
    result: str = ""

    def written(self) -> dict[str, str]:
        """What is asked for, as the parameters of an address."""
        return {field.name: text for field in fields(self) if (text := getattr(self, field.name))}

    def rows(self) -> RunQuerySet:
        """The runs of the workspace in scope that fulfil all of it. Look for them inside `core.patience`.

        Ids sort by time, so a time is a range of ids, which every index on runs ends with.
        """
        rows: RunQuerySet = Run.objects.filter(_condition(self.arguments, "arguments"), _condition(self.result, "result"))
        wanted = {"function_id": self.function, "asked_by_id": self.person, "trigger": self.trigger}
        rows = rows.filter(**{name: value for name, value in wanted.items() if value})
        if self.state:
            rows = rows.filter(state__in=OPEN) if self.state == OPEN_RUNS else rows.filter(state=self.state)
        if self.since:
            rows = rows.filter(pk__gte=uuid7_floor(_time(self.since)))
        if self.until:
            rows = rows.filter(pk__lt=uuid7_floor(_time(self.until)))
        return _with_words(rows, self.q.split())


def read_run_filter(given: Mapping[str, str]) -> RunFilter:
    """A filter out of the parameters of an address; those of other names are not looked at.

    Raises:
        BadFilter, BadJson: with a sentence that says what is wrong.
    """
    texts = {field.name: given.get(field.name, "").replace("\x00", "").strip() for field in fields(RunFilter)}
    if long := [name for name, text in texts.items() if len(text) > LONGEST]:
        raise BadFilter(f"“{long[0]}” may have {LONGEST} characters.")
    wanted = RunFilter(**texts)
    if len(wanted.q.split()) > MOST_WORDS:
        raise BadFilter(f"Look for {MOST_WORDS} words at most.")
    _check_choice(wanted.state, "state", [OPEN_RUNS, *RunState])
    _check_choice(wanted.trigger, "trigger", list(RunTrigger))
    for each in (wanted.function, wanted.person):
        _check_id(each)
    for time in (wanted.since, wanted.until):
        if time:
            _time(time)
    _condition(wanted.arguments, "arguments")
    _condition(wanted.result, "result")
    return wanted


def _check_choice(text: str, name: str, choices: list[str]) -> None:
    if text and text not in choices:
        raise BadFilter(f"“{text[:40]}” is no {name} of runs. There are {', '.join(choices)}.")


def _check_id(text: str) -> None:
    try:
        UUID(text or "0" * 32)
    except ValueError:
        raise BadFilter(f"“{text[:40]}” is no id.") from None


def _time(text: str) -> datetime:
    """In the installation's time zone where the text names none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadFilter(f"“{text[:40]}” is no time such as 2026-02-28T17:30.") from None
    if not _EARLIEST <= found.year <= _LATEST:
        raise BadFilter(f"Times lie between the years {_EARLIEST} and {_LATEST}.")
    return found if found.tzinfo else timezone.make_aware(found)


def _condition(text: str, column: str) -> Q:
    """`{"city": "Paris"}` in the language of filters, or in short `city = Paris`, and `= Paris` of the whole."""
    if not text:
        return Q()
    if text.startswith("{"):
        return read_filter(read_json(text), column)
    short = _SHORT.fullmatch(text)
    if short is None:
        raise BadFilter('Write a condition such as city = Paris, or a JSON filter such as {"city": "Paris"}.')
    path, condition = short["path"].strip(), _short_condition(short["sign"], short["value"].strip())
    return read_filter({path: condition} if path else condition, column)


def _short_condition(sign: str, written: str) -> dict[str, Any]:
    """A value is JSON where it can be, else a text. Whoever writes 42 without quotes may mean the text, too."""
    try:
        value = read_json(written)
    except BadJson:
        return {_SIGNS[sign]: written}
    if sign == "=" and not isinstance(value, str | list | dict):
        return {"$in": [value, written]}
    return {_SIGNS[sign]: value}


def _with_words(rows: RunQuerySet, words: list[str]) -> RunQuerySet:
    """Each of the words in the function's name, the message, the arguments or the result; or it is the id."""
    if not words:
        return rows
    rows = rows.alias(**{f"{name}_text": Cast(name, TextField()) for name in ("arguments", "result")})
    for word in words:
        named = Function.objects.filter(name__icontains=word).values("pk")
        inside = Q(function__in=named) | Q(message__icontains=word)
        inside |= Q(arguments_text__icontains=word) | Q(result_text__icontains=word)
        rows = rows.filter(inside | Q(pk=found) if (found := _as_id(word)) else inside)
    return rows


def _as_id(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None
