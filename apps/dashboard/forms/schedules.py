"""The forms of schedules."""

from zoneinfo import available_timezones

from django import forms

from apps.triggers.models import CatchUp
from apps.triggers.types import MAX_SCHEDULE_NAME


class TimesForm(forms.Form):
    """When a schedule is due. Cleaned: cron, time_zone, catch_up."""

    cron = forms.CharField(
        label="Times",
        max_length=100,
        help_text="Minute, hour, day of the month, month, day of the week: 0 9 * * 1-5 is nine o'clock on working days.",
    )
    time_zone = forms.CharField(
        label="Time zone",
        max_length=60,
        initial="UTC",
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
    )
    catch_up = forms.ChoiceField(
        label="Catch up after a time in which nothing ran", choices=CatchUp.choices, initial=CatchUp.LAST
    )


class ScheduleForm(TimesForm):
    """A new schedule, with the name that stays."""

    name = forms.CharField(
        label="Name",
        max_length=MAX_SCHEDULE_NAME,
        help_text="One word, such as every_morning. Rules wait for schedule.every_morning.",
    )
    field_order = ("name", "cron", "time_zone", "catch_up")


class ChangedScheduleForm(TimesForm):
    """An existing one, which may also be off."""

    is_active = forms.BooleanField(label="It is on", required=False)


def time_zones() -> list[str]:
    """What the field suggests."""
    return sorted(available_timezones())
