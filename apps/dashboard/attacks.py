"""The operator's page of hostile programs: what each does to this installation. For accounts with the operator's mark.

It lies under the admin's address, whose middleware lets only them in and opens the operator's transaction.
"""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from apps.core.errors import DomainError
from apps.dashboard.access import PageRequest
from apps.dashboard.respond import show
from apps.runs.attack_rounds import OPEN_ROUNDS
from apps.runs.attacks import Target, newest_round, request_round, stop_round, targets_by_theme

_CONTROL_WORDS = {"reached": "gets through", "refused": "refused as well", "untried": "could not be tried", "none": ""}


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    target: Target

    @property
    def program(self) -> Any:
        return self.target.program

    @property
    def shot(self) -> Any:
        return self.target.shot

    @property
    def state(self) -> str:
        if self.shot is None:
            return "not_fired"
        return "held" if self.shot.held else "not_held"

    @property
    def control_words(self) -> str:
        return _CONTROL_WORDS[self.shot.control] if self.shot else ""


@dataclass(frozen=True)
class ThemeCard:
    """`is_open`: drawn unfolded, since the last round was about one of its programs."""

    name: str
    targets: list[Row]
    is_open: bool

    def count(self, state: str) -> int:
        return sum(row.state == state for row in self.targets)

    @property
    def held(self) -> int:
        return self.count("held")

    @property
    def broken(self) -> int:
        return self.count("not_held")


@require_http_methods(["GET", "HEAD", "POST"])
def attacks(request: PageRequest) -> HttpResponse:
    """GET: every program with its last end. POST: fire all, or the one that `only` names."""
    if request.method != "POST":
        return _page(request)
    try:
        request_round(user=request.user, only=request.POST.get("only", ""))  # type: ignore[arg-type]  # signed in
    except DomainError as refusal:
        return _page(request, refusal)
    return redirect("attacks")


@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    stop_round(user=request.user)  # type: ignore[arg-type]  # signed in
    return redirect("attacks")


def _page(request: PageRequest, refusal: DomainError | None = None) -> HttpResponse:
    newest = newest_round()
    only = newest.only if newest else ""
    cards = [
        ThemeCard(name, [Row(target) for target in targets], any(only == target.program.name for target in targets))
        for name, targets in targets_by_theme()
    ]
    total = sum(len(card.targets) for card in cards)
    held, broken = sum(card.held for card in cards), sum(card.broken for card in cards)
    context = {
        "themes": cards,
        "round": newest,
        "is_open": newest is not None and newest.state in OPEN_ROUNDS,
        "percent": round(100 * newest.fired / newest.programs) if newest else 0,
        "progress_note": f"{newest.fired} of {newest.programs}" if newest else "",
        "error": refusal,
        "total": total,
        "held": held,
        "broken": broken,
        "unfired": total - held - broken,
    }
    if refusal is not None:
        return render(request, "operator/attacks.html", context, status=refusal.status)
    return show(request, "operator/attacks.html", context, part="live")


urlpatterns = [path("", attacks, name="attacks"), path("stop/", stop, name="attacks-stop")]
