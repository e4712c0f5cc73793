"""Requests, their authors, votes and grants. The database refuses to change what was asked or what was decided.

People are kept as accounts, not memberships: whoever leaves the workspace and comes back is still an author.
"""

import json
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from apps.approvals.states import TERMINAL, Decision, Part, RequestState
from apps.core.canonical import digest_of
from apps.core.fields import StateField
from apps.core.tenancy import TenantManager, TenantModel, TenantQuerySet
from apps.workspaces.models import Membership
from apps.workspaces.roles import PERMISSIONS, Permission

VOTING_ROLES = [role.value for role, granted in PERMISSIONS.items() if Permission.VOTE in granted]


class ApprovalRequestQuerySet(TenantQuerySet["ApprovalRequest"]):
    def open(self) -> "ApprovalRequestQuerySet":
        """Those that can still be decided; the database's clock says so, swept or not."""
        return self.filter(state=RequestState.OPEN, expires_at__gt=Now())

    def votable_by(self, actor: Membership) -> "ApprovalRequestQuerySet":
        """Those on which the actor can vote now."""
        if actor.is_token or not actor.can(Permission.VOTE):
            return self.none()
        return self.open().filter(_not_author(actor), _not_voted(actor))

    def for_list(self, actor: Membership) -> "ApprovalRequestQuerySet":
        """With authors, `votes_count` and `may_vote`, newest first; the subject stays in the database."""
        votable = Exists(ApprovalRequest.objects.all().votable_by(actor).filter(pk=OuterRef("pk")))
        return (
            self.annotate(votes_count=models.Count("votes"), may_vote=votable)
            .defer("subject_json")
            .prefetch_related("authors__user")
            .order_by("-id")
        )


class ApprovalRequest(TenantModel):
    """Something that wants to come in, frozen. Any change of it is a new request.

    The subject is kept as the very text whose SHA-256 is the digest: a JSON column would rewrite numbers.
    """

    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    subject_json = models.TextField()
    digest = models.CharField(max_length=64)
    reason = models.TextField()
    task_id = models.UUIDField(null=True, editable=False)
    state = StateField(max_length=10, choices=[(s.value, s.value) for s in RequestState], default=RequestState.OPEN)
    policy = models.CharField(max_length=100)
    quorum = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closing_reason = models.TextField(blank=True, default="")

    objects: ClassVar = TenantManager.from_queryset(ApprovalRequestQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-id"], name="approvals_request_newest"),
            models.Index(fields=["workspace", "expires_at"], name="approvals_request_open", condition=Q(state="open")),
        ]

    class Tenancy(TenantModel.Tenancy):
        immutable = (
            *("kind", "title", "subject_json", "digest", "reason", "task_id"),
            *("policy", "quorum", "created_at", "expires_at"),
        )
        terminal = ("state", tuple(state.value for state in TERMINAL))

    def __str__(self) -> str:
        return self.title

    @property
    def subject(self) -> dict[str, Any]:
        """What is asked for, as plain JSON."""
        subject: dict[str, Any] = json.loads(self.subject_json)
        return subject

    @property
    def is_intact(self) -> bool:
        """Whether the stored subject still has the digest that people saw."""
        return digest_of(self.subject) == self.digest

    @property
    def asked_by(self) -> "Author":
        return next(author for author in self.authors.all() if author.part == Part.ASKED)

    @property
    def prompted_by(self) -> "Author | None":
        return next((author for author in self.authors.all() if author.part == Part.PROMPTED), None)


class Signed(TenantModel):
    """Somebody's name under a request, with the role that they had at that moment; empty for an author who had left."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=12)

    class Meta:
        abstract = True

    class Tenancy(TenantModel.Tenancy):
        append_only: ClassVar[bool] = True


class Author(Signed):
    """Somebody who must not vote, because the request is partly their own doing."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.CASCADE, related_name="authors")
    part = models.CharField(max_length=8, choices=[(part.value, part.value) for part in Part])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["request", "user", "part"], name="approvals_author_once")]

    def __str__(self) -> str:
        return f"{self.user} {self.part}"


class Vote(Signed):
    """One person's decision, on the digest that they were shown."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.CASCADE, related_name="votes")
    decision = models.CharField(max_length=7, choices=[(decision.value, decision.value) for decision in Decision])
    reason = models.TextField(blank=True, default="")
    shown_digest = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["request", "user"], name="approvals_vote_once")]

    def __str__(self) -> str:
        return f"{self.user} {self.decision}"


class Grant(TenantModel):
    """What an approval gives: this kind of thing, with this digest, may be used. One per request."""

    request = models.OneToOneField(ApprovalRequest, on_delete=models.RESTRICT, related_name="grant")
    kind = models.CharField(max_length=40)
    digest = models.CharField(max_length=64)
    granted_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["workspace", "kind", "digest"], name="approvals_grant_digest")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"


def _not_author(actor: Membership) -> Q:
    return ~Q(Exists(Author.objects.filter(request=OuterRef("pk"), user=actor.user_id)))


def _not_voted(actor: Membership) -> Q:
    return ~Q(Exists(Vote.objects.filter(request=OuterRef("pk"), user=actor.user_id)))
