"""What a closure may touch outside of its box: hosts, secrets, language models. People decide, for sources that they have seen.

All functions of a closure run in one process, so each of them can use what any of them asks for. Hence a request names all
sources that would run together, and what they ask for together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from apps.approvals.kinds import Kind
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import is_granted, open_request
from apps.approvals.states import RequestState
from apps.core.canonical import digest_of
from apps.core.errors import Conflict, Invalid
from apps.core.events import emit
from apps.functions.authors import authors_of
from apps.functions.models import CapabilityRequest, FunctionVersion, Origin
from apps.vault.services import function_secrets
from apps.workspaces.models import Membership

KIND = "capabilities"
_OF_A_PART = ("name", "digest", "hosts", "secrets", "models")
LOOKED_BACK = 50  # earlier grants of one function; older ones are asked for again


class UnknownSecret(Invalid):
    """A version names a secret that the workspace does not have; `details["names"]` lists them."""

    code = "unknown_secret"


class NotGranted(Conflict):
    """What a run is about to be given is not what people agreed to."""

    code = "not_granted"


class Asked(NamedTuple):
    """What a closure names: hosts, names of secrets, and whether it asks language models."""

    hosts: list[str]
    secrets: list[str]
    models: bool


@dataclass(frozen=True)
class Wish:
    """What a closure asks for, as people vote on it. Without hosts, secrets and models it asks for nothing."""

    version: FunctionVersion
    hosts: tuple[str, ...]
    secrets: dict[str, UUID]
    models: bool
    parts: tuple[dict[str, Any], ...]

    def __bool__(self) -> bool:
        return bool(self.hosts or self.secrets or self.models)

    def content(self) -> dict[str, Any]:
        """The same for the same wish, whoever has it and whenever."""
        return {
            "function": self.version.function.name,
            "function_id": str(self.version.function_id),
            "version": self.version.number,
            "hosts": list(self.hosts),
            "secrets": [{"id": str(key), "name": name} for name, key in sorted(self.secrets.items())],
            **({"models": True} if self.models else {}),  # without them the digests are those of requests before there were any
            "parts": list(self.parts),
        }

    @property
    def digest(self) -> str:
        return digest_of(self.content())

    def by_name(self) -> dict[str, Any]:
        """The same before the functions are there: by their names, and by digests that cover all of each source."""
        return {
            "function": self.version.function.name,
            "hosts": list(self.hosts),
            "secrets": [{"id": str(key), "name": name} for name, key in sorted(self.secrets.items())],
            **({"models": True} if self.models else {}),
            "parts": [{key: part[key] for key in _OF_A_PART if key in part} for part in self.parts],
        }


def wish_of(closure: Sequence[FunctionVersion]) -> Wish:
    """What a closure asks for together; its last version is the one that is called.

    Raises:
        UnknownSecret
    """
    hosts, names, models = asked_together(closure)
    known = function_secrets(names)
    if missing := [name for name in names if name not in known]:
        raise UnknownSecret(
            f"There is no secret {' and no secret '.join(missing)} for functions here: an admin can add it.", names=missing
        )
    parts = tuple(
        {
            "name": version.function.name,
            "function_id": str(version.function_id),
            "version": version.number,
            "version_id": str(version.pk),
            "digest": version.digest,
            "origin": version.origin,
            "hosts": version.hosts,
            "secrets": version.secrets,
            **({"models": True} if version.asks_models else {}),
        }
        for version in closure
    )
    return Wish(closure[-1], tuple(hosts), known, models, parts)


def asked_together(closure: Sequence[FunctionVersion]) -> Asked:
    """What all of a closure name, each once."""
    hosts = {host for version in closure for host in version.hosts}
    secrets = {name for version in closure for name in version.secrets}
    return Asked(sorted(hosts), sorted(secrets), any(version.asks_models for version in closure))


def ensure_capabilities(
    *, actor: Membership, closure: Sequence[FunctionVersion], reason: str, task_id: UUID | None = None
) -> CapabilityRequest | None:
    """The request that stands for what a closure asks for, opened if there is none; None when it asks for nothing.

    It may still be open: look at its state, which does not change before the caller's transaction ends.

    Raises:
        UnknownSecret, AuthorUnknown, PermissionMissing, policies.NoRuleMatches, ReasonInvalid
    """
    wish = wish_of(closure)
    if not wish:
        return None
    if standing := find_grant(wish) or _hold_open(wish) or find_grant(wish):  # one may have been granted while this waited
        return standing
    request = open_request(
        kind=KIND,
        subject={**wish.content(), "widens": _widens(wish)},
        asked_by=actor,
        prompted_by=actor if task_id else None,
        authors=authors_of(closure),
        reason=reason,
        task_id=task_id,
    )
    return CapabilityRequest.objects.create(
        function=wish.version.function, version=wish.version, digest=wish.digest, request=request
    )


def find_grant(wish: Wish) -> CapabilityRequest | None:
    """The grant that covers a wish: of exactly this, or of an earlier state that only people have edited since."""
    approved = CapabilityRequest.objects.filter(function=wish.version.function_id, request__state=RequestState.APPROVED)
    for earlier in approved.select_related("request").order_by("-id")[:LOOKED_BACK]:
        if _covers(earlier, wish):
            return earlier
    return None


def take_grant(closure: Sequence[FunctionVersion], request: ApprovalRequest) -> bool:
    """Write down that people agreed to what a closure asks for by a request about all of a pack, before it was saved.

    False when they did not, to exactly this. The subject of such a request lists `Wish.by_name()` under `capabilities`.
    """
    wish = wish_of(closure)
    if wish and find_grant(wish) is None:
        taken = CapabilityRequest(function=wish.version.function, version=wish.version, digest=wish.digest, request=request)
        if not _covers(taken, wish):
            return False
        taken.save(force_insert=True)
    return True


def check_granted(capabilities: CapabilityRequest | None, closure: Sequence[FunctionVersion]) -> Wish:
    """What a run may be given now: what its closure asks for, if that is still what people agreed to.

    Raises:
        NotGranted, UnknownSecret
    """
    wish = wish_of(closure)
    if wish and (capabilities is None or not _covers(capabilities, wish)):
        raise NotGranted("The hosts, secrets and models that this run would be given are not the ones that were granted to it.")
    return wish


def standing_of(closure: Sequence[FunctionVersion]) -> CapabilityRequest | None:
    """For pages: the grant, else the newest request for exactly this, however it ended; None when nobody has asked."""
    wish = wish_of(closure)
    newest = CapabilityRequest.objects.filter(function=wish.version.function_id, digest=wish.digest)
    return find_grant(wish) or newest.select_related("request").order_by("-id").first()


def sources_of(subject: dict[str, Any]) -> list[FunctionVersion]:
    """The versions that a request is about, those that still are what its digests say: nobody votes on anything else."""
    digests = {part["version_id"]: part["digest"] for part in subject["parts"]}
    rows = FunctionVersion.objects.select_related("function").in_bulk(list(digests))
    found = [rows[UUID(key)] for key in digests if UUID(key) in rows]
    return [version for version in reversed(found) if version.compute_digest() == digests[str(version.pk)]]


def _covers(capabilities: CapabilityRequest, wish: Wish) -> bool:
    """Whether people agreed to it: no host, secret or model more, and no source that they have not seen and no person wrote.

    What a program saved with a person's token was not written by a person: nobody looked at it.
    """
    request = capabilities.request
    if (
        request.state != RequestState.APPROVED
        or not request.is_intact
        or not is_granted(kind=request.kind, digest=request.digest)
    ):
        return False
    subject = _asked(request, wish.version.function.name)
    if subject is None or capabilities.function_id != wish.version.function_id:
        return False
    seen = {(part["name"], part["digest"]) for part in subject["parts"]}
    return (
        set(wish.hosts) <= set(subject["hosts"])
        and {str(key) for key in wish.secrets.values()} <= {secret["id"] for secret in subject["secrets"]}
        and (subject.get("models", False) or not wish.models)
        and all((part["name"], part["digest"]) in seen or part["origin"] == Origin.PERSON for part in wish.parts)
    )


def _asked(request: ApprovalRequest, function: str) -> dict[str, Any] | None:
    """What a request asks for one function: all of it, or one of those of a pack. None when it names none of that name."""
    if request.kind == KIND:
        return request.subject
    return next((each for each in request.subject.get("capabilities", ()) if each["function"] == function), None)


def _hold_open(wish: Wish) -> CapabilityRequest | None:
    """The open request for exactly this. Two who ask at once wait for each other; a vote waits for both."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"capabilities {wish.digest}"])
    rows = CapabilityRequest.objects.filter(digest=wish.digest, request__in=ApprovalRequest.objects.all().open())
    found = rows.order_by("-id").first()
    if found is None:
        return None
    found.request = ApprovalRequest.objects.select_for_update(of=("self",), no_key=True).get(pk=found.request_id)
    return found if found.request.state == RequestState.OPEN else None


def _widens(wish: Wish) -> dict[str, Any]:
    """What this function was never granted before."""
    approved = CapabilityRequest.objects.filter(function=wish.version.function_id, request__state=RequestState.APPROVED)
    asked = [_asked(earlier.request, wish.version.function.name) for earlier in approved.select_related("request")]
    subjects = [subject for subject in asked if subject]
    hosts = {host for subject in subjects for host in subject["hosts"]}
    secrets = {secret["id"] for subject in subjects for secret in subject["secrets"]}
    return {
        "hosts": [host for host in wish.hosts if host not in hosts],
        "secrets": sorted(name for name, key in wish.secrets.items() if str(key) not in secrets),
        **({"models": not any(subject.get("models") for subject in subjects)} if wish.models else {}),
    }


def headline(subject: dict[str, Any]) -> str:
    models = ["language models"] if subject.get("models") else []
    asked: Iterable[str] = [*subject["hosts"], *(secret["name"] for secret in subject["secrets"]), *models]
    return f"{subject['function']} version {subject['version']}: {', '.join(asked)}"


def tell_granted(request: ApprovalRequest) -> None:
    emit("capabilities.granted", capabilities_id=CapabilityRequest.objects.get(request=request).pk)


def tell_refused(request: ApprovalRequest) -> None:
    capabilities_id = CapabilityRequest.objects.get(request=request).pk
    reason = request.closing_reason or "Nobody decided on it in time."
    emit("capabilities.refused", capabilities_id=capabilities_id, state=request.state, reason=reason)


CAPABILITIES = Kind(
    name=KIND,
    title="Hosts, secrets and models",
    template="approvals/_capabilities.html",
    headline=headline,
    on_approved=tell_granted,
    on_closed=tell_refused,
)
