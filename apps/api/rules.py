"""Rules: what runs because of which events."""

from typing import Any
from uuid import UUID

from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import Page
from apps.api.trigger_schemas import DeliveryOut, FireIn, RuleIn, RuleOut, SavedRuleOut, SwitchIn, TrialOut
from apps.functions.models import Function
from apps.functions.reader.literals import cleaned
from apps.functions.services import NoSuchFunction, find_function
from apps.triggers.loops import find_loop
from apps.triggers.models import Rule
from apps.triggers.services import (
    RuleDraft,
    create_rule,
    delete_rule,
    find_rule,
    fire_rule,
    switch_rule,
    try_rule,
    update_rule,
)
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()
FUNCTIONS = {"function", "target", "error_handler"}


@router.get("", response=Page[RuleOut], summary="Rules, newest first")
@in_scope
def list_rules(request: ApiRequest, after: UUID | None = None, limit: int = USUAL, name: str = "") -> object:
    require(request.membership, Permission.VIEW)
    rows = Rule.objects.for_list()
    return page_of(rows.filter(name=cleaned(name)) if name else rows, after=after, limit=limit, show=RuleOut.of)


@router.post("", response={201: SavedRuleOut}, summary="Write a rule, which is on at once")
@in_scope
def create(request: ApiRequest, body: RuleIn) -> Status[SavedRuleOut]:
    rule = create_rule(actor=request.membership, draft=_draft(request.membership, body))
    return Status(201, _saved(rule))


@router.post("/try", response=list[TrialOut], summary="What a rule would do with the newest events of its type")
@in_scope
def try_it(request: ApiRequest, body: RuleIn) -> object:
    return [TrialOut.of(trial) for trial in try_rule(actor=request.membership, draft=_draft(request.membership, body))]


@router.get("/{rule_id}", response=RuleOut, summary="One rule")
@in_scope
def show(request: ApiRequest, rule_id: UUID) -> RuleOut:
    return RuleOut.of(find_rule(actor=request.membership, rule_id=rule_id))


@router.put("/{rule_id}", response=SavedRuleOut, summary="Change a rule")
@in_scope
def update(request: ApiRequest, rule_id: UUID, body: RuleIn) -> SavedRuleOut:
    return _saved(update_rule(actor=request.membership, rule_id=rule_id, draft=_draft(request.membership, body)))


@router.delete("/{rule_id}", response={204: None}, summary="Remove a rule; its runs and events stay")
@in_scope
def delete(request: ApiRequest, rule_id: UUID) -> Status[None]:
    delete_rule(actor=request.membership, rule_id=rule_id)
    return Status(204, None)


@router.post("/{rule_id}/switch", response=RuleOut, summary="Switch a rule on or off")
@in_scope
def switch(request: ApiRequest, rule_id: UUID, body: SwitchIn) -> RuleOut:
    switch_rule(actor=request.membership, rule_id=rule_id, is_active=body.is_active)
    return RuleOut.of(find_rule(actor=request.membership, rule_id=rule_id))


@router.post("/{rule_id}/fire", response={202: DeliveryOut}, summary="Let a rule act now on data of your own")
@in_scope
def fire(request: ApiRequest, rule_id: UUID, body: FireIn) -> Status[DeliveryOut]:
    return Status(202, DeliveryOut.of(fire_rule(actor=request.membership, rule_id=rule_id, data=body.data)))


@router.get("/{rule_id}/deliveries", response=Page[DeliveryOut], summary="What came of events at a rule, newest first")
@in_scope
def deliveries(request: ApiRequest, rule_id: UUID, after: UUID | None = None, limit: int = USUAL, state: str = "") -> object:
    rows = find_rule(actor=request.membership, rule_id=rule_id).deliveries.for_list()
    return page_of(rows.filter(state=state) if state else rows, after=after, limit=limit, show=DeliveryOut.of)


def _draft(member: Membership, body: RuleIn) -> RuleDraft:
    named: dict[str, Any] = {name: _find(member, given) if (given := getattr(body, name)) else None for name in FUNCTIONS}
    target = named.pop("target") or _find(member, body.target)
    return RuleDraft(target=target, **named, **body.dict(exclude=FUNCTIONS))


def _find(member: Membership, name: str) -> Function:
    function = find_function(actor=member, name=name)
    if function is None:
        raise NoSuchFunction(f"There is no function {name[:100]} here.")
    return function


def _saved(rule: Rule) -> SavedRuleOut:
    loop = find_loop(rule) if rule.is_active else []
    warning = f"These rules may start one another in a circle: {', '.join(loop)}." if loop else ""
    return SavedRuleOut(**RuleOut.of(rule).dict(), warning=warning)
