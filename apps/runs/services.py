"""Start and cancel runs, store the files that people bring."""

import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from apps.audit.services import record
from apps.core import blobs
from apps.core.dispatch import wake
from apps.core.errors import Conflict, Invalid, NotFound, TooLarge
from apps.core.notify import publish
from apps.core.tenancy import kept_alive
from apps.functions.access import require_access
from apps.functions.activation import refuse_archived
from apps.functions.arguments import validate_arguments
from apps.functions.capabilities import asked_together, ensure_capabilities
from apps.functions.definition import filled_retry
from apps.functions.limits import limits_for_run
from apps.functions.models import FolderAction, FunctionVersion, RetryClass
from apps.functions.services import ensure_environment, resolve_closure
from apps.runs import answers, deadlines, lanes, transitions
from apps.runs.arguments import are_stored, keep_sealed, request_digest_of
from apps.runs.models import Artifact, Run, RunInput, RunTrigger
from apps.runs.slots import refuse_to_wait_for_itself, slot_of
from apps.runs.states import RunState
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require, require_function
from sandbox import LIMITS, Limits
from sandbox.limits import Amount

MAX_NAME = 200
MIB = 1 << 20
ROOM_TO_WORK = 48 * MIB  # gVisor's kernel takes some 28 MiB of a box's memory (measured), a bare Python 15
_SHOWN_WITH = ("function", "version", "asked_by__user", "package_set", "parent__function", "capabilities__request", "example")


@dataclass(frozen=True)
class Family:
    """Fields of a run that another run's code has started."""

    parent: Run
    parent_attempt: int
    parent_span: str
    root: Run
    depth: int


class KeyReused(Invalid):
    code = "idempotency_key_reused"


class AlreadyFinished(Conflict):
    code = "already_finished"


class NoSuchRun(NotFound):
    code = "no_such_run"


class NoSuchFile(NotFound):
    code = "no_such_file"


class BadFileName(Invalid):
    code = "bad_file_name"


class SameFileName(Invalid):
    code = "same_file_name"


class FilesTooLarge(TooLarge):
    code = "files_too_large_for_a_run"


def start_run(
    *,
    actor: Membership,
    version: FunctionVersion,
    arguments: dict[str, Any],
    files: Sequence[Artifact] = (),
    idempotency_key: str | None = None,
    task_id: UUID | None = None,
    queue_seconds: float | None = None,
    total_seconds: float | None = None,
    family: Family | None = None,
    fresh: bool = False,
    undoes: UUID | None = None,
    trigger: RunTrigger | None = None,
    restarted_from: Run | None = None,
) -> Run:
    """Queue one execution of `version`, with everything that it will use frozen on the row.

    When packages, hosts or secrets that the closure needs still wait for people, the run waits with them. The same key
    with the same request gives the run that was started first, also when the function has a newer version by now.

    Args:
        queue_seconds: how long it may wait for a worker; total_seconds: how long from then to its end, with all attempts
            and pauses. The installation's usual when left out.
        family: where it stands below the run whose code starts it. restarted_from: the run that it repeats.
        trigger: what starts it, where the other arguments do not tell: a rule, or a schedule.
        undoes: the Compensation for whose sake it is started. It must happen, so a full queue takes it.
        fresh: execute it even if the function has answers kept and an earlier run has one.

    Raises:
        PermissionMissing, FolderForbids, FunctionArchived, ArgumentsInvalid, SameFileName, FilesTooLarge, UnknownDependency,
        DependencyCycle, LimitAboveMaximum, UnknownSecret, KeyReused, QueueFull, BadDeadline, WaitsForItself
    """
    require_function(actor, Permission.RUN, version.function.name)
    times = deadlines.clocks(queue_seconds, total_seconds)
    asked = [str(version.function_id), arguments, _contents(files), queue_seconds, total_seconds, *["fresh"][: int(fresh)]]
    if earlier := _find_earlier(actor, idempotency_key, asked):
        return earlier
    limits = _limits_of(version, arguments, files)
    lanes.check_queue(must_take=undoes is not None)
    is_ready_now, frozen = _freeze(actor, version, _closure_open_to(actor, version), task_id)
    run = Run.objects.create(
        state=RunState.QUEUED if is_ready_now else RunState.AWAITING_APPROVAL,
        function=version.function,
        version=version,
        asked_by=actor,
        arguments=arguments if are_stored(version) else {},
        limits=limits,
        **frozen,
        **(deadlines.started_clocks(times) if is_ready_now else times),
        **_origin_of(family, restarted_from, trigger or _trigger_of(actor, family, task_id)),
        **_handled(version, frozen, arguments, files, family),
        undoes=undoes,
        idempotency_key=idempotency_key,
        request_digest=request_digest_of(version, asked),
    )
    _attach(run, arguments, files)
    _tell(run, actor, fresh=fresh)
    return run


def _closure_open_to(actor: Membership, version: FunctionVersion) -> list[FunctionVersion]:
    """All that will run in the box; every function of it must be one that the actor may run."""
    closure = resolve_closure(version)
    require_access(actor, [part.function for part in closure], FolderAction.RUN)
    return closure


def _limits_of(version: FunctionVersion, arguments: dict[str, Any], files: Sequence[Artifact]) -> dict[str, Amount]:
    """What applies to a run of it, once it is known that arguments and files fit."""
    refuse_archived(version.function)
    validate_arguments(version.input_schema, arguments)
    check_file_names(files)
    check_room(limits := limits_for_run(version), files)
    return limits


def _tell(run: Run, actor: Membership, *, fresh: bool) -> None:
    """Write down that it was started; have it answered or executed, if nothing is waited for any more."""
    record(actor=actor, action="run.started", subject=run, function=run.function.name, version=run.version.number)
    publish(run.workspace_id, "runs")
    if run.state == RunState.QUEUED and (fresh or not answers.answer(run)):
        wake("runs")


def _handled(
    version: FunctionVersion,
    frozen: dict[str, Any],
    arguments: dict[str, Any],
    files: Sequence[Artifact],
    family: Family | None,
) -> dict[str, Any]:
    """The fields of a run that its version's handling fills. Raises: WaitsForItself."""
    if not version.handling:
        return {}
    slot = slot_of(version, arguments)
    refuse_to_wait_for_itself(slot.get("slot", ""), family.parent.pk if family else None)
    key = answers.answer_key(version, frozen, arguments, files)
    return {**slot, "answer_key": key, "undone_by": version.handling.get("undone_by", "")}


def _origin_of(family: Family | None, restarted_from: Run | None, trigger: RunTrigger) -> dict[str, Any]:
    """The fields of a run that say where it comes from."""
    return {**(vars(family) if family else {}), "restarted_from": restarted_from, "trigger": trigger}


def _trigger_of(actor: Membership, family: Family | None, task_id: UUID | None) -> RunTrigger:
    if family:
        return RunTrigger.RUN
    if task_id:
        return RunTrigger.TASK
    return RunTrigger.API if actor.is_token else RunTrigger.PERSON


def _attach(run: Run, arguments: dict[str, Any], files: Sequence[Artifact]) -> None:
    """What a run has beside its row."""
    if not are_stored(run.version):
        keep_sealed(run, arguments)
    RunInput.objects.bulk_create([RunInput(run=run, artifact=file) for file in files])


def _contents(files: Sequence[Artifact]) -> list[list[str]]:
    return [[file.name, file.sha256] for file in files]


def _freeze(
    actor: Membership, version: FunctionVersion, closure: Sequence[FunctionVersion], task_id: UUID | None
) -> tuple[bool, dict[str, Any]]:
    """Whether people have agreed to all that a run needs, and the fields of the run that hold what it will use."""
    name = version.function.name
    package_set = ensure_environment(actor=actor, closure=closure, reason=f"A run of “{name}” needs it.", task_id=task_id)
    capabilities = ensure_capabilities(actor=actor, closure=closure, reason=f"A run of “{name}” needs them.", task_id=task_id)
    asked = asked_together(closure)
    digest = package_set.environment_digest if package_set else ""
    fields = {
        "task_id": task_id,
        "closure": [{"name": part.function.name, "version": str(part.pk), "digest": part.digest} for part in closure],
        "package_set": package_set,
        "environment_digest": digest,
        "capabilities": capabilities,
        "hosts": asked.hosts,
        "secret_names": asked.secrets,
        "logging": version.logging,
        "retry_class": retry_class_of(version, closure),
        "retry": filled_retry(version.retry) if version.retry_class == RetryClass.ON_ERROR else {},
    }
    return (package_set is None or bool(digest)) and (capabilities is None or capabilities.is_granted), fields


def retry_class_of(version: FunctionVersion, closure: Sequence[FunctionVersion]) -> str:
    """What may be repeated when all of a closure runs in one box: nothing, when one part of it must not be done twice.

    Parts that may be are no bound: what is safe after a loss, of which nobody knows how far it came, is safe after an error
    too. A version of which only what it calls touches the outside is tried again after a loss only if its author said so.
    What asks language models may be repeated: one budget holds for all attempts together.
    """
    if any(part.retry_class == RetryClass.NEVER for part in closure):
        return RetryClass.NEVER
    said_nothing = version.retry_class == RetryClass.ON_LOST and not (version.hosts or version.secrets)
    asked = asked_together(closure)
    return RetryClass.NEVER if said_nothing and (asked.hosts or asked.secrets) else version.retry_class


def check_file_names(files: Sequence[Artifact]) -> None:
    """A box keeps its files in one folder.

    Raises:
        SameFileName
    """
    if len({input_name(file) for file in files}) < len(files):
        raise SameFileName("Two of the files have the same name: rename one.")


def check_room(limits: Mapping[str, Amount], files: Sequence[Artifact]) -> None:
    """A box keeps its files in scratch space, and what lies there counts as memory too.

    Raises:
        FilesTooLarge
    """
    size, allowed = sum(file.size for file in files), Limits(**limits)  # type: ignore[arg-type]  # checked when they were frozen
    room = max(0, min(allowed.scratch_bytes, allowed.memory_bytes - ROOM_TO_WORK))
    if size > room:
        scratch, memory = LIMITS["scratch_bytes"], LIMITS["memory_bytes"]
        raise FilesTooLarge(
            f"The files have {size / MIB:.1f} MiB together; a run of this function has room for {room / MIB:.1f} MiB. "
            f"Its scratch space is {scratch.show(allowed.scratch_bytes)}, and what lies there counts as memory, of which it has "
            f"{memory.show(allowed.memory_bytes)}. Raise the limits “{scratch.label}” and “{memory.label}”.",
            size=size,
            room=room,
        )


def _find_earlier(actor: Membership, key: str | None, asked: list[Any]) -> Run | None:
    """Requests with one key wait for each other, so that two at once make one run.

    Compared as the earlier run's version keeps requests, which a later version may do otherwise.
    """
    if key is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"run {actor.pk} {key}"])
    earlier = Run.objects.filter(asked_by=actor, idempotency_key=key).select_related("version", "function").first()
    if earlier and earlier.request_digest != request_digest_of(earlier.version, asked):
        raise KeyReused("This idempotency key was used for another request: take a new key.", run=str(earlier.pk))
    return earlier


def cancel_run(*, actor: Membership, run_id: UUID) -> Run:
    """Stop a run. One that waits ends at once; one in a box ends when its worker has stopped the box, within 2 s.

    Raises:
        PermissionMissing, NoSuchRun, AlreadyFinished
    """
    run = find_run(run_id)
    require_function(actor, Permission.RUN, run.function.name)
    record(actor=actor, action="run.cancel_asked", subject=run)
    if transitions.move(
        run,
        from_states=(RunState.QUEUED, RunState.AWAITING_APPROVAL),
        to_state=RunState.CANCELLED,
        message=f"Cancelled by {actor}.",
    ):
        return run
    if not transitions.ask_to_stop(run):
        raise AlreadyFinished("This run had already ended.", state=run.state)
    return run


def find_run(run_id: UUID) -> Run:
    """The run with its function, version and asker.

    Raises:
        NoSuchRun
    """
    run = Run.objects.select_related(*_SHOWN_WITH).filter(pk=run_id).first()
    if run is None:
        raise NoSuchRun("There is no such run here.")
    return run


def store_upload(*, actor: Membership, name: str, chunks: Iterable[bytes], task_id: UUID | None = None) -> Artifact:
    """Keep a file that a person brings as input.

    Raises:
        PermissionMissing, BadFileName, BlobTooLarge
    """
    require(actor, Permission.RUN)
    blob = blobs.put(actor.workspace_id, kept_alive(chunks), max_bytes=settings.UPLOAD_MAX_BYTES)
    return Artifact.objects.create(
        uploaded_by=actor,
        task_id=task_id,
        name=checked_file_name(name),
        sha256=blob.sha256,
        size=blob.size,
        media_type=media_type_of(name),
    )


def find_artifact(artifact_id: UUID) -> Artifact:
    """A stored file of the workspace in scope.

    Raises:
        NoSuchFile
    """
    artifact = Artifact.objects.filter(pk=artifact_id).first()
    if artifact is None:
        raise NoSuchFile("There is no such file here.")
    return artifact


def input_name(file: Artifact) -> str:
    """Under which name a run finds it in `inputs/`: what a run made may lie in a folder, but there are none there."""
    return file.name.rpartition("/")[2]


def checked_file_name(name: str) -> str:
    """A plain file name, fit for a box's folder and for a download.

    Raises:
        BadFileName
    """
    plain = name.replace("\\", "/").rpartition("/")[2].strip()
    if (
        not plain
        or plain in (".", "..")
        or len(plain) > MAX_NAME
        or any(ord(letter) < 32 or ord(letter) == 127 for letter in plain)
    ):
        raise BadFileName(f"“{name[:60]}” cannot be used as a file name.")
    return plain


def media_type_of(name: str) -> str:
    """By the name's ending alone: the content is never believed, and what stands before it may look like a `data:` URL."""
    return mimetypes.guess_type(f"file{PurePosixPath(name).suffix}")[0] or "application/octet-stream"


def waiting_runs(**waits_for: UUID) -> Iterable[Run]:
    """Runs that wait for a set of packages or for capabilities. Each is held, and read again, before it is given.

    Two decisions that fall at once wait for each other here, so that the later one sees what the earlier one has changed.
    """
    waiting = Run.objects.filter(state=RunState.AWAITING_APPROVAL, **waits_for).values_list("pk", flat=True)
    for run_id in list(waiting):
        held = Run.objects.select_for_update(of=("self",), no_key=True).filter(pk=run_id, state=RunState.AWAITING_APPROVAL)
        if run := held.first():
            yield run


def is_ready(run: Run) -> bool:
    """Whether nothing is left that a waiting run waits for."""
    packages, capabilities = run.package_set, run.capabilities
    return (packages is None or bool(packages.environment_digest)) and (capabilities is None or capabilities.is_granted)
