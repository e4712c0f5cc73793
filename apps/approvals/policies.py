"""How many people must agree. The strictest matching rule wins; what no rule matches is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from apps.core.errors import Forbidden

LIFETIME = timedelta(hours=72)  # over a weekend, and no longer


class NoRuleMatches(Forbidden):
    code = "no_rule_matches"


@dataclass(frozen=True)
class Rule:
    """A quorum of people none of whom is an author. That authors never count is no matter of policy."""

    name: str
    quorum: int
    lifetime: timedelta = LIFETIME

    def __post_init__(self) -> None:
        if self.quorum < 1 or self.lifetime <= timedelta(0):
            raise ValueError("A rule asks for at least one person and gives them time.")

    def __str__(self) -> str:
        return "One approver who is no author." if self.quorum == 1 else f"{self.quorum} approvers, none of them an author."


class Policy(Protocol):
    """Where rules come from: built in today, rows of a workspace one day."""

    def matching_rules(self, kind: str, subject: dict[str, Any]) -> Sequence[Rule]:
        """The rules that apply to this subject, in any order. Asked inside the workspace's scope."""
        ...


class OneApprover:
    """The same rule for whatever is asked."""

    def matching_rules(self, kind: str, subject: dict[str, Any]) -> Sequence[Rule]:
        return (Rule("built-in", quorum=1),)


BUILT_IN: Policy = OneApprover()
_in_force: list[Policy] = [BUILT_IN]


def put_in_force(policy: Policy) -> None:
    """Replace the policy of this process: for an app's ready(), and for tests."""
    _in_force[:] = [policy]


def strictest_rule(kind: str, subject: dict[str, Any]) -> Rule:
    """The rule that decides: most people first, then the shortest time.

    Raises:
        NoRuleMatches
    """
    rules = _in_force[0].matching_rules(kind, subject)
    if not rules:
        raise NoRuleMatches(f"No rule says who may decide on {kind}, so nobody may: an admin has to add one.", kind=kind)
    return max(rules, key=lambda rule: (rule.quorum, -rule.lifetime))
