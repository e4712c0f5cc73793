"""The pages' own tags: icons, state badges, times, sizes, code, form fields. They present and query nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, FileInput, Select
from django.template import Context
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from apps.dashboard import icons, wording
from apps.dashboard.highlighting import highlighted_lines
from apps.dashboard.states import look_of

register = template.Library()

register.filter("duration", wording.as_duration)
register.filter("size", wording.as_size)
register.filter("money", wording.as_money)
register.filter("json", wording.as_json)
register.filter("visible", wording.made_visible)


@register.simple_tag
def icon(name: str, label: str = "", css_class: str = "") -> SafeString:
    """`{% icon "check-circle" %}`: an outline icon in the colour and size of the text beside it."""
    return icons.icon_svg(name, label=label, css_class=css_class)


@register.inclusion_tag("_components/state_badge.html")
def state(value: str) -> dict[str, Any]:
    """`{% state run.state %}`: the one badge for every state, told by icon and word."""
    return {"look": look_of(value), "value": value}


@register.simple_tag
def moment(value: datetime | None, empty: str = wording.NOTHING) -> SafeString | str:
    """`{% moment run.started_at %}`: how long ago, with the exact time in the title; a script keeps it fresh."""
    if value is None:
        return empty
    exact = timezone.localtime(value)
    shown = f"{exact:%d %b %Y, %H:%M}"
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>', exact.isoformat(), f"{exact:%d %b %Y, %H:%M:%S %Z}", shown
    )


@register.simple_tag
def written_moment(value: str) -> SafeString | str:
    """Like `moment`, for a time that is kept as ISO 8601 text inside a frozen subject."""
    return moment(datetime.fromisoformat(value))


@register.filter
def elapsed(started_at: datetime | None, finished_at: datetime | None) -> timedelta | None:
    """`{{ run.started_at|elapsed:run.finished_at|duration }}`: up to now when it has not finished."""
    if started_at is None:
        return None
    return (finished_at or timezone.now()) - started_at


@register.filter
def time_left(share: float | None, started_at: datetime | None) -> str:
    """`{{ run.progress|time_left:attempt.started_at }}`: about 3 min left."""
    return wording.as_time_left(share, elapsed(started_at, None))


@register.filter
def percent_note(percent: int, left: str) -> str:
    """What stands beside a bar: 40 %, about 3 min left."""
    return f"{percent} %, {left}" if left else f"{percent} %"


@register.filter
def share_of(part: float | Decimal | None, whole: float | Decimal | None) -> int:
    """A part in percent of the whole, between 0 and 100, for progress bars."""
    if not part or not whole:
        return 0
    return max(0, min(100, round(100 * float(part) / float(whole))))


@register.inclusion_tag("_components/code_block.html")
def code(source: str, language: str = "python", mark: int | None = None, title: str = "", first: int = 1) -> dict[str, Any]:
    """`{% code version.source mark=error.line title="count_words" %}`: numbered lines, one of them marked."""
    lines = [(number, html, number == mark) for number, html in enumerate(highlighted_lines(source, language), start=first)]
    return {"lines": lines, "title": title, "language": language, "mark": mark, "source": source}


@register.inclusion_tag("_components/form_field.html")
def field(bound: BoundField, kind: str = "", rows: int = 0, placeholder: str = "", *, has_help: bool = True) -> dict[str, Any]:
    """`{% field form.name %}`: label, control, help and errors, tied together for screen readers by Django's aria-describedby."""
    widget = bound.field.widget
    is_check = isinstance(widget, CheckboxInput)
    attributes = _look(bound, kind)
    if rows:
        attributes["rows"] = rows
    if placeholder:
        attributes["placeholder"] = escape(placeholder)  # what is written in a template counts as safe, quotes included
    if kind == "source":
        attributes |= {"spellcheck": "false", "autocapitalize": "off", "autocomplete": "off", "wrap": "off", "data-source": ""}
    return {
        "field": bound,
        "control": bound.as_widget(attrs=attributes),
        "is_check": is_check,
        "is_file": isinstance(widget, FileInput),
        "help_text": bound.help_text if has_help else "",
    }


@register.simple_tag
def control(bound: BoundField) -> SafeString:
    """`{% control form.name %}`: the input alone, where a table's head says what it is for."""
    return bound.as_widget(attrs=_look(bound))


def _look(bound: BoundField, kind: str = "") -> dict[str, Any]:
    widget = bound.field.widget
    is_check, is_select = isinstance(widget, CheckboxInput), isinstance(widget, Select)
    look = "form-check-input" if is_check else "form-select" if is_select else "form-control"
    return {"class": " ".join(filter(None, [look, "is-invalid" if bound.errors else "", kind]))}


@register.simple_tag(takes_context=True)
def current_section(context: Context) -> str:
    """The noun of the page, from its URL name: task for tasks-list and task-detail. Marks the entry in the navigation."""
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    return str(match.url_name).split("-")[0].removesuffix("s") if match and match.url_name else ""


@register.filter
def short(digest: str | None) -> str:
    """The first twelve characters of a digest, enough to tell two apart by eye; never to compare by."""
    return (digest or "")[:12]


@register.filter
def last_seq(lines: Sequence[Any]) -> int:
    """The number after which a page of log lines asks for more: a line that went on later has a later one than those below it."""
    return max((line.seq for line in lines), default=0)
