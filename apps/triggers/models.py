"""Events, the rules that wait for them, and what came of each event at each rule."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.leases import Leased
from apps.core.tenancy import TenantManager, TenantModel, TenantQuerySet
from apps.functions.models import Function
from apps.triggers.states import TERMINAL, DeliveryKind, DeliveryState
from apps.triggers.types import WEBHOOK_RECEIVED, webhook_type


class EventQuerySet(TenantQuerySet["Event"]):
    def for_list(self) -> "EventQuerySet":
        """Newest first, with what a list shows of each; the data stay in the database."""
        return self.select_related("function", "emitted_by__user").defer("data").order_by("-id")

    def search(self, text: str) -> "EventQuerySet":
        """Those with every word of the text in their type, source, subject or function's name."""
        found = self
        for word in text.split():
            found = found.filter(
                Q(type__icontains=word)
                | Q(source__icontains=word)
                | Q(subject__icontains=word)
                | Q(function__name__icontains=word)
            )
        return found


class Event(TenantModel):
    """Something that happened, as a CloudEvent. Stored in the transaction of what happened, and never changed.

    `root` is the event with which its chain began (None for that one itself), `depth` how many rules lie between. `key`
    makes an event one of a kind in its workspace: what comes twice is stored once.
    """

    type = models.CharField(max_length=100)
    source = models.CharField(max_length=300)
    subject = models.CharField(max_length=300, blank=True, default="")
    time = models.DateTimeField(db_default=Now())
    data = models.JSONField(default=dict)
    # No index where nothing is looked up by it: an event is written at the end of every run.
    function = models.ForeignKey("functions.Function", on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    run = models.ForeignKey("runs.Run", on_delete=models.SET_NULL, null=True, related_name="events")
    webhook = models.ForeignKey("triggers.Webhook", on_delete=models.SET_NULL, null=True, related_name="events", db_index=False)
    emitted_by = models.ForeignKey(
        "workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    replay_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    root = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    depth = models.PositiveSmallIntegerField(default=0)
    key = models.CharField(max_length=200, null=True)

    objects: ClassVar = TenantManager.from_queryset(EventQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "key"], condition=Q(key__isnull=False), name="triggers_event_once"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="triggers_event_newest"),
            models.Index(fields=["workspace", "type", "-id"], name="triggers_event_type"),
            models.Index(fields=["webhook", "-id"], name="triggers_event_webhook", condition=Q(webhook__isnull=False)),
        ]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.type} {self.short_id}"

    @property
    def short_id(self) -> str:
        return str(self.pk)[-8:]

    @property
    def heard_as(self) -> tuple[str, ...]:
        """The types under which rules hear of it: its own, and that of the one webhook that took it."""
        return (self.type, webhook_type(self.subject)) if self.type == WEBHOOK_RECEIVED else (self.type,)

    def as_cloudevent(self) -> dict[str, Any]:
        """The envelope of CloudEvents 1.0 with the data inside; what expressions read as `event`."""
        extensions = {"chaindepth": self.depth, **({"replayof": str(self.replay_of_id)} if self.replay_of_id else {})}
        return {
            "specversion": "1.0",
            "id": str(self.pk),
            "source": self.source,
            "type": self.type,
            **({"subject": self.subject} if self.subject else {}),
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            **extensions,
            "data": self.data,
        }


class RuleQuerySet(TenantQuerySet["Rule"]):
    def for_list(self) -> "RuleQuerySet":
        return self.select_related("function", "target", "error_handler", "owner__user").order_by("-id")

    def needing(self, function: Function) -> "RuleQuerySet":
        """The rules that are switched on and run a function, or tell it of failures."""
        return self.filter(Q(target=function) | Q(error_handler=function), is_active=True)

    def listening_to(self, event: Event) -> "RuleQuerySet":
        """The rules that wait for such an event, found by the index of type and function, however many others there are."""
        about = Q(function=None) | Q(function=event.function_id) if event.function_id else Q(function=None)
        return self.filter(about, is_active=True, event_type__in=event.heard_as)


class Rule(TenantModel):
    """When such an event happens and the condition holds, run a function. It acts with the rights of its owner.

    `arguments` maps each argument of the target to an expression over the event. An empty condition always holds.
    """

    name = models.CharField(max_length=100)
    event_type = models.CharField(max_length=100)
    function = models.ForeignKey("functions.Function", on_delete=models.PROTECT, null=True, related_name="rules_about")
    condition = models.TextField(blank=True, default="")
    target = models.ForeignKey("functions.Function", on_delete=models.PROTECT, related_name="rules")
    arguments = models.JSONField(default=dict)
    error_handler = models.ForeignKey("functions.Function", on_delete=models.PROTECT, null=True, related_name="rules_handled")
    most_per_minute = models.PositiveIntegerField(default=60)
    most_running = models.PositiveIntegerField(default=10)
    is_active = models.BooleanField(default=True)
    owner = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects: ClassVar = TenantManager.from_queryset(RuleQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="triggers_rule_name_once")]
        indexes = [
            models.Index(
                fields=["workspace", "event_type", "function"], name="triggers_rule_listening", condition=Q(is_active=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CatchUp(models.TextChoices):
    """What becomes of the times that nobody was there to tell: none of them, the last one, or all, up to ten."""

    SKIP = "skip", "Nothing"
    LAST = "last", "The last time only"
    ALL = "all", "Each of them, ten at most"


class Schedule(TenantModel):
    """Times by the clock, each of which is told as an event `schedule.<name>`. Rules wait for it as for any other."""

    name = models.CharField(max_length=60)
    cron = models.CharField(max_length=100)
    time_zone = models.CharField(max_length=60)
    catch_up = models.CharField(max_length=4, choices=CatchUp.choices, default=CatchUp.LAST)
    is_active = models.BooleanField(default=True)
    next_at = models.DateTimeField()
    created_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="triggers_schedule_name_once")]
        indexes = [models.Index(fields=["next_at"], name="triggers_schedule_due", condition=Q(is_active=True))]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("name", "created_at")

    def __str__(self) -> str:
        return self.name


class Scheme(models.TextChoices):
    """How a webhook knows its sender. All but the last two sign what they send."""

    STANDARD = "standard", "Standard Webhooks"
    GITHUB = "github", "GitHub"
    STRIPE = "stripe", "Stripe"
    HMAC = "hmac", "HMAC in a header of your choice"
    BEARER = "bearer", "A token in a header, nothing signed"
    NONE = "none", "Nothing: whoever knows the address"

    @property
    def is_signed(self) -> bool:
        return self not in (Scheme.BEARER, Scheme.NONE)


class Webhook(TenantModel):
    """An address at which programs outside tell events. `public_id` is in the address and is no credential.

    `header`, `algorithm`, `encoding` and `prefix` say where and how a signature stands when the scheme leaves it open.
    """

    public_id = models.CharField(max_length=22, unique=True)
    name = models.CharField(max_length=60)
    scheme = models.CharField(max_length=8, choices=Scheme.choices)
    header = models.CharField(max_length=60, blank=True, default="")
    algorithm = models.CharField(max_length=6, blank=True, default="")
    encoding = models.CharField(max_length=6, blank=True, default="")
    prefix = models.CharField(max_length=20, blank=True, default="")
    methods = models.JSONField(default=list)
    content_types = models.JSONField(default=list)
    kept_headers = models.JSONField(default=list)
    max_bytes = models.PositiveIntegerField()
    most_per_minute = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="triggers_webhook_name_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("public_id", "name", "scheme", "created_at")

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        return f"/hooks/{self.public_id}"


class WebhookSecret(TenantModel):
    """A secret that a webhook's sender signs with, sealed. Two are valid for a while after a rotation."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="secrets")
    key = models.ForeignKey("vault.WorkspaceKey", on_delete=models.RESTRICT, related_name="+")
    sealed_key = models.BinaryField()
    sealed = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())
    valid_until = models.DateTimeField(null=True)

    class Tenancy(TenantModel.Tenancy):
        immutable = ("webhook", "key", "sealed_key", "sealed", "created_at")

    def __str__(self) -> str:
        return f"a secret of {self.webhook_id}"


class WebhookRefusal(TenantModel):
    """How often a webhook has refused something, by reason. Counted and not kept: strangers must not fill the database."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="refusals")
    reason = models.CharField(max_length=30)
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webhook", "reason"], name="triggers_webhookrefusal_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("webhook", "reason")

    def __str__(self) -> str:
        return f"{self.reason}: {self.count}"


class DeliveryQuerySet(TenantQuerySet["Delivery"]):
    def for_list(self) -> "DeliveryQuerySet":
        """Newest first, with what a list shows of each."""
        related = ("event__function", "rule__target", "rule__error_handler", "run__function")
        heavy = ("event__data", "run__arguments", "run__result", "run__closure", "rule__arguments")
        return self.select_related(*related).defer(*heavy).order_by("-id")

    def started(self) -> "DeliveryQuerySet":
        return self.filter(state=DeliveryState.STARTED)


class Delivery(Leased):
    """One event at one rule: waits for a worker, and ends with a run or with the reason why there is none."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=5, choices=[(kind.value, kind.value) for kind in DeliveryKind], default=DeliveryKind.MATCH)
    root = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="chain")
    run = models.ForeignKey("runs.Run", on_delete=models.PROTECT, null=True, related_name="deliveries")
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar = TenantManager.from_queryset(DeliveryQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "rule", "kind"], name="triggers_delivery_once")]
        indexes = [
            models.Index(
                fields=["state", "id"],
                name="triggers_delivery_open",
                condition=~Q(state__in=[state.value for state in TERMINAL]),
            ),
            models.Index(fields=["workspace"], name="triggers_delivery_queue", condition=Q(state="queued")),
            models.Index(fields=["rule", "-id"], name="triggers_delivery_rule"),
            models.Index(fields=["rule", "finished_at"], name="triggers_delivery_rate", condition=Q(state="started")),
        ]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("event", "rule", "kind", "root", "created_at")
        terminal = ("state", tuple(state.value for state in TERMINAL))

    def __str__(self) -> str:
        return f"{self.rule_id} {self.event_id}"
