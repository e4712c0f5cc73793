"""Pack files: choose them, or a pack that ships, see what they would bring, load it."""

import re
from collections.abc import Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError, TooLarge
from apps.dashboard.access import FORM, PageRequest, page
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, show
from apps.functions.models import Function
from apps.functions.packs import MAX_FILES, NoPackFile, PackFile, PackReport, load_packs
from apps.functions.shipped import find_shipped, shipped_packs
from apps.workspaces.roles import Permission

MOST_BYTES = 1024 * 1024
"""Of all files together: they come a second time, as text, when what was looked at is loaded."""

EXAMPLE = """@selfsmith.register_function(
    metadata={"description": "Counts words.", "tags": ["text"]},
    imports=[{"name": "slugify", "lib": "python-slugify"}],
    secrets=["API_KEY"],
)
def count(text: str) -> int:
    return len(words(text))
"""
_SEEN = re.compile(r"pack-(\d{1,2})")


class PacksTooLarge(TooLarge):
    code = "packs_too_large"


@page(Permission.DEVELOP, FORM)
def packs(request: PageRequest) -> HttpResponse:
    """First what was chosen is looked at; what that showed is sent back with the word to load it."""
    if request.method == "GET":
        return show(request, "functions/packs.html", _nothing_yet())
    is_loading = "load" in request.POST
    outcome = attempt(request, lambda: _report(request, only_look=not is_loading))
    if isinstance(outcome, DomainError):
        return show(request, "functions/packs.html", {**_nothing_yet(), "errors": [outcome.message]}, status=outcome.status)
    files, report = outcome
    if is_loading and not report.refused:
        return go(request, "functions-list", say=_said(report))
    told = {
        **_nothing_yet(),
        "files": [] if is_loading else files,
        "report": report,
        "is_loaded": is_loading,
        "brought": [each for each in report.loaded if each.change != "none"],
    }
    return show(request, "functions/packs.html", told, status=200 if report.loaded else UNPROCESSABLE)


def _nothing_yet() -> dict[str, Any]:
    """What there is to choose from: files of one's own, and the packs that ship with how much of each is here already."""
    packs = shipped_packs()
    brought = [name for pack in packs for name in pack.functions]
    here = set(Function.objects.library().filter(name__in=brought).values_list("name", flat=True))
    told = [(pack, sum(name in here for name in pack.functions)) for pack in packs]
    return {"max_files": MAX_FILES, "example": EXAMPLE, "shipped": told}


def _report(request: PageRequest, *, only_look: bool) -> tuple[list[PackFile], PackReport]:
    files = _seen(request) or _shipped(request) or _chosen(request)
    return files, load_packs(actor=request.membership, files=files, only_look=only_look)


def _shipped(request: PageRequest) -> list[PackFile]:
    name = request.POST.get("shipped")
    return list(find_shipped(str(name)).files) if name else []


def _chosen(request: PageRequest) -> list[PackFile]:
    chosen: Sequence[UploadedFile[bytes]] = request.FILES.getlist("files")
    if sum(file.size or 0 for file in chosen) > MOST_BYTES:
        raise PacksTooLarge("Together the files have more than 1 MiB. Load fewer at a time.", most=MOST_BYTES)
    return [PackFile((file.name or "")[:200], _text(file)) for file in chosen]


def _text(file: "UploadedFile[bytes]") -> str:
    try:
        return bytes(file.read()).decode("utf-8")
    except UnicodeDecodeError:
        raise NoPackFile(f"“{(file.name or '')[:100]}” is no text in UTF-8. Nothing was loaded.") from None


def _seen(request: PageRequest) -> list[PackFile]:
    """The files that were looked at, as the page sends them back. They are read as if they were new."""
    numbers = sorted(int(found[1]) for key in request.POST if (found := _SEEN.fullmatch(key)))
    # A browser sends line ends of its own.
    texts = ((str(request.POST.get(f"name-{n}", "")), str(request.POST[f"pack-{n}"])) for n in numbers)
    return [PackFile(name[:200], text.replace("\r\n", "\n")) for name, text in texts]


def _said(report: PackReport) -> str:
    brought = sum(each.change != "none" for each in report.loaded)
    if not brought:
        return "Everything in them is here already."
    return f"{brought} function{'' if brought == 1 else 's'} loaded."


urlpatterns = [path("functions/packs", packs, name="packs")]
