"""The forms of webhooks."""

from datetime import timedelta

from django import forms

from apps.triggers.models import Scheme, Webhook
from apps.triggers.types import MAX_SCHEDULE_NAME
from apps.triggers.webhooks.drafts import METHODS, MOST_PER_MINUTE, USUAL_BYTES, USUAL_PER_MINUTE, Intake, WebhookDraft
from apps.triggers.webhooks.schemes import ALGORITHMS, ENCODINGS
from apps.vault.services import LONGEST_VALUE

NAMES_CHARACTERS = 2_000
TEST_CHARACTERS = 256 * 1024
KIB = 1024
OVERLAPS = [("1", "an hour"), ("24", "a day"), ("168", "a week"), ("0", "not at all: it has leaked")]


def _secret_field(help_text: str) -> forms.CharField:
    """Never filled in again, not even after a mistake in another field."""
    widget = forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False)
    return forms.CharField(label="Secret", required=False, max_length=LONGEST_VALUE, widget=widget, help_text=help_text)


class IntakeForm(forms.Form):
    """What a webhook takes."""

    methods = forms.MultipleChoiceField(
        label="Methods",
        choices=[(name, name) for name in METHODS],
        initial=[METHODS[0]],
        widget=forms.CheckboxSelectMultiple,
    )
    content_types = forms.CharField(
        label="Content types",
        required=False,
        max_length=NAMES_CHARACTERS,
        help_text="Such as application/json; several with commas between. Empty: any.",
    )
    kept_headers = forms.CharField(
        label="Headers to keep",
        required=False,
        max_length=NAMES_CHARACTERS,
        help_text="Such as X-GitHub-Event: rules read them as event.data.headers. Senders do not sign them.",
    )
    max_kib = forms.IntegerField(label="Largest body, in KiB", min_value=1, initial=USUAL_BYTES // KIB)
    most_per_minute = forms.IntegerField(
        label="Deliveries a minute, at most", min_value=1, max_value=MOST_PER_MINUTE, initial=USUAL_PER_MINUTE
    )

    def intake(self) -> Intake:
        """What the checked form says."""
        given = self.cleaned_data
        return Intake(
            methods=given["methods"],
            content_types=given["content_types"].split(","),
            kept_headers=given["kept_headers"].split(","),
            max_bytes=given["max_kib"] * KIB,
            most_per_minute=given["most_per_minute"],
        )


class WebhookForm(IntakeForm):
    """A new webhook."""

    name = forms.CharField(
        label="Name",
        max_length=MAX_SCHEDULE_NAME,
        help_text="One word, such as new_orders. Rules wait for webhook.new_orders.",
    )
    scheme = forms.ChoiceField(label="The sender is known by", choices=Scheme.choices, initial=Scheme.STANDARD)
    secret = _secret_field("The one that the sender gave you, as Stripe does. Leave it out to get one made.")
    header = forms.CharField(
        label="Header", required=False, max_length=60, help_text="Where the signature or the token stands. X-Signature, if empty."
    )
    algorithm = forms.ChoiceField(label="Algorithm", choices=[(name, name) for name in ALGORITHMS], required=False)
    encoding = forms.ChoiceField(label="Written in", choices=[(name, name) for name in ENCODINGS], required=False)
    prefix = forms.CharField(  # type: ignore[assignment]  # fields are no attributes of the form, whose `prefix` is another
        label="What stands before it", required=False, max_length=20, strip=False, help_text="Such as sha256="
    )
    is_unsigned_accepted = forms.BooleanField(
        label="I accept that nothing is signed",
        required=False,
        help_text="For a token or nothing: whoever learns it can tell your rules anything.",
    )
    field_order = ("name", "scheme", "secret")

    def draft(self) -> WebhookDraft:
        """What the checked form says of the sender."""
        names = ("name", "scheme", "secret", "header", "algorithm", "encoding", "prefix", "is_unsigned_accepted")
        return WebhookDraft(**{name: self.cleaned_data[name] for name in names})


class RotationForm(forms.Form):
    """Another secret. Cleaned: secret, overlap (a timedelta)."""

    secret = _secret_field("Leave it out to get one made.")
    overlap = forms.ChoiceField(label="The one before stays valid for", choices=OVERLAPS, initial="24")

    def clean_overlap(self) -> timedelta:
        return timedelta(hours=int(self.cleaned_data["overlap"]))


class WebhookTestForm(forms.Form):
    """What to send from the page. Cleaned: body (bytes), content_type."""

    content_type = forms.CharField(label="Content type", max_length=100, initial="application/json")
    body = forms.CharField(
        label="Body", required=False, max_length=TEST_CHARACTERS, initial='{"hello": "world"}', strip=False, widget=forms.Textarea
    )

    def clean_body(self) -> bytes:
        """Browsers write line ends as two characters."""
        return str(self.cleaned_data["body"]).replace("\r\n", "\n").encode()


def intake_initial(webhook: Webhook) -> dict[str, object]:
    """The form of a webhook, filled with what it takes now."""
    return {
        "methods": webhook.methods,
        "content_types": ", ".join(webhook.content_types),
        "kept_headers": ", ".join(webhook.kept_headers),
        "max_kib": max(1, webhook.max_bytes // KIB),
        "most_per_minute": webhook.most_per_minute,
    }
