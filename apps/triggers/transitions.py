"""The one way in which a delivery changes its state.

Whoever holds the lease leaves by core.leases; the sweep is a conditional UPDATE here. Both end in announce().
"""

from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core import leases
from apps.core.notify import publish
from apps.triggers.models import Delivery
from apps.triggers.reactions import tell_rule_failed
from apps.triggers.states import TERMINAL, DeliveryKind, DeliveryState


def leave(delivery: Delivery, *, to_state: DeliveryState, **fields: Any) -> None:
    """The holder of the lease gives the delivery up: ended, or queued again.

    Raises:
        leases.LeaseLost: somebody else holds it; nothing is written.
    """
    leases.leave(delivery, to_state=to_state, **_stamped(to_state, fields))
    announce(delivery, to_state, reason=fields.get("reason", ""))


def move(delivery: Delivery, *, to_state: DeliveryState, **fields: Any) -> bool:
    """Change a delivery whose worker has vanished; False when it is at work no more. The token rises."""
    rows = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WORKING)
    changes = {"lease_until": None, "leased_by": "", **leases.SINCE_NOW, **_stamped(to_state, fields)}
    if rows.update(state=to_state, token=F("token") + 1, **changes) == 0:
        return False
    delivery.state = to_state
    announce(delivery, to_state, reason=fields.get("reason", ""))
    return True


def announce(delivery: Delivery, state: DeliveryState, *, reason: str = "") -> None:
    """Tell the open pages; of a failure also the audit trail, and whoever handles the rule's errors."""
    publish(delivery.workspace_id, "rules")
    if state != DeliveryState.FAILED:
        return
    record(actor=None, action="rule.failed", subject=delivery.rule, event=str(delivery.event_id), reason=reason[:500])
    if delivery.kind != DeliveryKind.ERROR:
        tell_rule_failed(delivery, reason=reason)


def _stamped(state: DeliveryState, fields: dict[str, Any]) -> dict[str, Any]:
    return {"finished_at": Now(), **fields} if state in TERMINAL else fields
