"""Fields for limits: those of a version, and the maxima of a workspace. People write 256 MiB and 30 s."""

from collections.abc import Mapping
from typing import Any

from django import forms

from apps.core.errors import DomainError
from apps.functions.limits import LIMITS, Amount, check_limits, check_maxima

PREFIX = "limit_"


class LimitsForm(forms.Form):
    """One optional text field for each limit. Cleaned: `limits`, with what was filled in.

    A field that was not sent at all, as by a page that is older than the limit, keeps what it stood at.
    """

    def __init__(self, *args: Any, maxima: Mapping[str, Amount], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._maxima = maxima
        for name, row in LIMITS.items():
            usual = row.show(min(row.default, maxima[name]))
            self.fields[PREFIX + name] = forms.CharField(
                label=row.label,
                required=False,
                max_length=40,
                help_text=f"{usual} if empty, at most {row.show(maxima[name])}. {row.at_it}",
                widget=forms.TextInput(attrs={"placeholder": usual, "autocomplete": "off"}),
            )

    def limit_fields(self) -> list[forms.BoundField]:
        """In the order of the table."""
        return [self[PREFIX + name] for name in LIMITS]

    def has_limit_errors(self) -> bool:
        return any(name.startswith(PREFIX) for name in self.errors)

    def clean(self) -> dict[str, Any]:
        given = {name: self._read(name, self.cleaned_data.pop(PREFIX + name, "")) for name in LIMITS}
        self.cleaned_data["limits"] = {name: amount for name, amount in given.items() if amount is not None}
        return self.cleaned_data

    def _read(self, name: str, text: str) -> Amount | None:
        if PREFIX + name not in self.data:
            text = self.initial.get(PREFIX + name, "")
        if not text:
            return None
        try:
            amount = LIMITS[name].read(text)
            self.check(name, amount)
        except ValueError as problem:
            self.add_error(PREFIX + name, str(problem))
        except DomainError as refusal:
            self.add_error(PREFIX + name, refusal.message)
        else:
            return amount
        return None

    def check(self, name: str, amount: Amount) -> None:
        """Raises: InvalidLimit, LimitAboveMaximum."""
        check_limits({name: amount})
        check_maxima({name: amount}, self._maxima)


class MaximaForm(LimitsForm):
    """The most of each limit; an empty field goes back to the table's."""

    def __init__(self, *args: Any, maxima: Mapping[str, Amount], **kwargs: Any) -> None:
        super().__init__(*args, maxima=maxima, initial=limit_initial(maxima), **kwargs)
        for name, row in LIMITS.items():
            field = self.fields[PREFIX + name]
            field.widget.attrs["placeholder"] = row.show(row.maximum)
            field.help_text = ""

    def check(self, name: str, amount: Amount) -> None:
        check_limits({name: amount})


def limit_initial(limits: Mapping[str, Amount]) -> dict[str, str]:
    """A form's initial values, as people write them."""
    return {PREFIX + name: LIMITS[name].show(amount) for name, amount in limits.items() if name in LIMITS}
