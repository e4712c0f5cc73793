"""A run's packages on this worker's host: held while the box works, built again first when they are not there."""

from contextlib import AbstractContextManager, nullcontext

from apps.core import leases, stopping
from apps.core.notify import publish
from apps.core.tenancy import every_workspace, scope
from apps.packages.restore import EnvironmentLost, Need, held_environment
from apps.runs.models import Run


def environment_of(run: Run, pulse: leases.Heartbeat) -> AbstractContextManager[None]:
    """Hold what the run has frozen.

    Raises (on entering): packages.restore.EnvironmentAway, EnvironmentLost.
    """
    if not run.environment_digest:
        return nullcontext()
    if run.package_set_id is None:
        raise EnvironmentLost("It names packages that nobody has asked for here.")
    return held_environment(
        Need(
            workspace_id=run.workspace_id,
            package_set_id=run.package_set_id,
            digest=run.environment_digest,
            labels=run.labels(),
            cancelled=lambda: pulse.stop_requested() or stopping.is_stopping(),
            tell=lambda text: _show(run, text),
        )
    )


def is_environment_needed(digest: str) -> bool:
    """Whether a run of any workspace waits with it or works in it."""
    with every_workspace(reason="environments are shared by all workspaces"):
        return Run.objects.open().filter(environment_digest=digest).exists()


def _show(run: Run, text: str) -> None:
    with scope(run.workspace_id):
        leases.held(run).update(progress=None, progress_text=text)
        publish(run.workspace_id, f"run.{run.pk.hex}")
