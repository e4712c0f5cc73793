"""Source code as highlighted lines. Pygments runs on the server and writes classes only: pages need no script and no style."""

from functools import lru_cache

from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from apps.dashboard.wording import made_visible

# Longer text is shown plain: highlighting costs about 1 s per MiB and a page shows several blocks.
HIGHLIGHT_LIMIT = 128 * 1024


@lru_cache(maxsize=256)
def highlighted_lines(source: str, language: str = "python") -> tuple[SafeString, ...]:
    """One piece of safe HTML per line of the source.

    Raises:
        pygments.util.ClassNotFound: no such language.
    """
    lexer = get_lexer_by_name(language if len(source) <= HIGHLIGHT_LIMIT else "text", stripnl=False, ensurenl=True)
    formatter = HtmlFormatter(nowrap=True)
    html = highlight(made_visible(source), lexer, formatter)
    # Pygments escapes the source; made_visible has taken out what could reorder the text.
    return tuple(mark_safe(line) for line in html.removesuffix("\n").split("\n"))  # noqa: S308
