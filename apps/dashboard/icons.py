"""Icons as inline SVG, read from the icon package. Inline, since that costs no request and no strict policy forbids it."""

import re
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_NAME = re.compile(r"[a-z0-9-]+\Z")
_OPENING_TAG = re.compile(r"<svg[^>]*>")


class UnknownIcon(LookupError):
    """The template names an icon that the icon package does not have."""


@cache
def _paths(name: str) -> str:
    """The drawing inside an icon's `<svg>` element, without the element."""
    file = Path(settings.NODE_MODULES) / "heroicons" / "24" / "outline" / f"{name}.svg"
    if not _NAME.match(name) or not file.is_file():
        raise UnknownIcon(f"There is no icon named {name!r} (is `npm ci` done?)")
    return _OPENING_TAG.sub("", file.read_text("utf-8")).replace("</svg>", "").strip()


def icon_svg(name: str, *, label: str = "", css_class: str = "") -> SafeString:
    """An icon in the text's colour and size; hidden from screen readers unless it has a label.

    Raises:
        UnknownIcon: there is no icon of that name.
    """
    meaning = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    opening = f'<svg class="glyph {escape(css_class)}" viewBox="0 0 24 24" fill="none" stroke="currentColor" {meaning}>'
    # The drawing comes from a package pinned by hash, never from a user; everything else is escaped above.
    return mark_safe(f"{opening}{_paths(name)}</svg>")  # noqa: S308
