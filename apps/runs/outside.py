"""What a run may touch outside of its box, opened when its worker is about to send the job and not before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.views.decorators.debug import sensitive_variables

from apps.core import leases
from apps.core.tenancy import scope
from apps.functions.capabilities import asked_together, check_granted
from apps.functions.models import FunctionVersion
from apps.runs.models import Run
from apps.vault.services import open_for_run


@dataclass(frozen=True)
class Outside:
    """Hosts by name, secrets by name with their values. Its repr tells no value."""

    hosts: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@sensitive_variables()
def open_outside(run: Run, closure: Sequence[FunctionVersion]) -> Outside:
    """The hosts and the opened secrets of a run that this worker holds; usually none. Every opening is recorded.

    Raises:
        leases.LeaseLost, capabilities.NotGranted, capabilities.UnknownSecret, vault NoSuchSecret, keys.RootKeyUnusable
        envelope.NotSealedHere
    """
    if run.capabilities_id is None and not any(asked_together(closure)):
        return Outside()
    with scope(run.workspace_id):
        leases.assert_held(run)
        wish = check_granted(run.capabilities, closure)
        reader = f"run {run.pk}, attempt {run.attempt}"
        values = {name: open_for_run(secret_id=key, name=name, reader=reader) for name, key in wish.secrets.items()}
    return Outside(wish.hosts, values)
