"""Rules: the list, one with what it did, writing and trying one, switching, firing and removing it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import OuterRef, Q, Subquery
from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.filters import search_text, state_filter
from apps.dashboard.forms.rules import FireForm, RuleForm, event_types_together, rule_initial
from apps.dashboard.paging import paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.functions.models import Function
from apps.triggers.loops import find_loop
from apps.triggers.mapping import ExpressionsInvalid
from apps.triggers.models import Delivery, Rule
from apps.triggers.services import create_rule, delete_rule, find_rule, fire_rule, switch_rule, try_rule, update_rule
from apps.triggers.states import DeliveryState
from apps.workspaces.roles import Permission

MOST_CHOICES = 2_000  # functions in the form's lists


@page(Permission.VIEW)
def rules_list(request: PageRequest) -> HttpResponse:
    query = search_text(request)
    newest = Delivery.objects.filter(rule=OuterRef("pk")).order_by("-id")
    rows = Rule.objects.for_list().defer("arguments")
    for word in query.split():
        rows = rows.filter(Q(name__icontains=word) | Q(event_type__icontains=word) | Q(target__name__icontains=word))
    rows = rows.annotate(last_state=Subquery(newest.values("state")[:1]), last_at=Subquery(newest.values("created_at")[:1]))
    return show(request, "rules/list.html", {"page": paginate(request, rows), "query": query}, part="results")


@page(Permission.VIEW)
def rule_detail(request: PageRequest, rule_id: UUID) -> HttpResponse:
    return _show_detail(request, find_rule(actor=request.membership, rule_id=rule_id), FireForm())


@page(Permission.DEVELOP, FORM)
def rule_new(request: PageRequest) -> HttpResponse:
    form = RuleForm(request.POST or None, functions=_functions(), initial={"event_type": request.GET.get("type", "")[:100]})
    outcome = None
    if request.method == "POST" and form.is_valid():
        outcome = attempt(request, lambda: create_rule(actor=request.membership, draft=form.draft()))
        if isinstance(outcome, Rule):
            return _saved(request, outcome)
    return _show_form(request, form, outcome, rule=None)


@page(Permission.DEVELOP, FORM)
def rule_edit(request: PageRequest, rule_id: UUID) -> HttpResponse:
    rule = find_rule(actor=request.membership, rule_id=rule_id)
    form = RuleForm(request.POST or None, functions=_functions(), initial=rule_initial(rule))
    outcome = None
    if request.method == "POST" and form.is_valid():
        seen = form.cleaned_data["seen"]
        outcome = attempt(request, lambda: update_rule(actor=request.membership, rule_id=rule_id, draft=form.draft(), seen=seen))
        if isinstance(outcome, Rule):
            return _saved(request, outcome)
    return _show_form(request, form, outcome, rule=rule)


@page(Permission.DEVELOP, POST)
def rule_try(request: PageRequest) -> HttpResponse:
    """What the form as it stands would do with past events; shown beside it."""
    form = RuleForm(request.POST, functions=_functions())
    if not form.is_valid():
        complaints = [f"{form.fields[name].label}: {text[0]}" for name, text in form.errors.items()]
        return show(request, "rules/_trials.html", {"complaints": complaints}, status=UNPROCESSABLE)
    outcome = attempt(request, lambda: try_rule(actor=request.membership, draft=form.draft()))
    if isinstance(outcome, DomainError):
        return show(request, "rules/_trials.html", {"complaints": [outcome.message]}, status=outcome.status)
    return show(request, "rules/_trials.html", {"trials": outcome, "event_type": form.cleaned_data["event_type"]})


@page(Permission.DEVELOP, POST)
def rule_switch(request: PageRequest, rule_id: UUID) -> HttpResponse:
    is_active = request.POST.get("is_active") == "1"
    switch_rule(actor=request.membership, rule_id=rule_id, is_active=is_active)
    return go(request, "rule-detail", rule_id=rule_id, say="The rule is on." if is_active else "The rule is off.")


@page(Permission.RUN, POST)
def rule_fire(request: PageRequest, rule_id: UUID) -> HttpResponse:
    rule = find_rule(actor=request.membership, rule_id=rule_id)
    form = FireForm(request.POST)
    outcome = None
    if form.is_valid():
        outcome = attempt(request, lambda: fire_rule(actor=request.membership, rule_id=rule_id, **form.cleaned_data))
    if isinstance(outcome, Delivery):
        return go(request, "rule-detail", rule_id=rule_id, say="Fired. What comes of it stands below.")
    status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    return _show_detail(request, rule, form, status=status)


@page(Permission.DEVELOP, POST)
def rule_delete(request: PageRequest, rule_id: UUID) -> HttpResponse:
    delete_rule(actor=request.membership, rule_id=rule_id)
    return go(request, "rules-list", say="Removed. Its runs and the events stay.")


def _saved(request: PageRequest, rule: Rule) -> HttpResponse:
    if rule.is_active and (loop := find_loop(rule)):
        told = " → ".join([*loop, loop[0]])
        messages.warning(request, f"These rules may start one another in a circle: {told}. The limits of a chain will end it.")
    return go(request, "rule-detail", rule_id=rule.pk, say=f"{rule.name} is saved.")


def _show_detail(request: PageRequest, rule: Rule, form: FireForm, *, status: int = 200) -> HttpResponse:
    state = state_filter(request, DeliveryState)
    rows = rule.deliveries.for_list()
    context = {
        "rule": rule,
        "page": paginate(request, rows.filter(state=state.chosen) if state.chosen else rows),
        "state_filter": state.chosen,
        "state_choices": state.choices,
        "fire_form": form,
        "loop": find_loop(rule) if rule.is_active and not request.htmx else [],
    }
    return show(request, "rules/detail.html", context, part="deliveries", status=status)


def _show_form(request: PageRequest, form: RuleForm, outcome: object, *, rule: Rule | None) -> HttpResponse:
    status = 200 if request.method == "GET" else UNPROCESSABLE
    if isinstance(outcome, ExpressionsInvalid):
        form.place(outcome.fields)
    elif isinstance(outcome, DomainError):
        status = refuse(form, outcome)
    context: dict[str, Any] = {"form": form, "rule": rule, "event_types": event_types_together()}
    return show(request, "rules/form.html", context, status=status)


def _functions() -> list[Function]:
    """What the form's lists offer, with the schemas that arguments are checked against."""
    rows = Function.objects.library().select_related("active_version").defer("active_version__source")
    return list(rows.order_by("name")[:MOST_CHOICES])


urlpatterns = [
    path("rules/", rules_list, name="rules-list"),
    path("rules/new", rule_new, name="rule-new"),
    path("rules/try", rule_try, name="rule-try"),
    path("rules/<uuid:rule_id>/", rule_detail, name="rule-detail"),
    path("rules/<uuid:rule_id>/edit", rule_edit, name="rule-edit"),
    path("rules/<uuid:rule_id>/switch", rule_switch, name="rule-switch"),
    path("rules/<uuid:rule_id>/fire", rule_fire, name="rule-fire"),
    path("rules/<uuid:rule_id>/delete", rule_delete, name="rule-delete"),
]
