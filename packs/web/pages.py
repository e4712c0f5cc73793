"""Pages of the web. Only the hosts that a function was granted can be reached, and nothing can without one."""

import os
from html.parser import HTMLParser
from urllib.error import HTTPError
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.request import Request, urlopen
from urllib.response import addinfourl

import selfsmith

MOST_BYTES = 2 * 1024 * 1024
# Nothing of what stands in these is text for people.
SILENT = frozenset({"script", "style", "noscript", "template", "svg", "head", "iframe"})
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "footer", "form", "h1", "h2", "h3",
    "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul",
})  # fmt: skip


class _Reader(HTMLParser):
    """Goes through a page once and keeps its title, texts, links, meta values and tables."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.parts: list[str] = []
        self.links: list[list[str]] = []
        self.meta: dict[str, str] = {}
        self.tables: list[list[list[str]]] = []
        self._silent: list[str] = []
        self._in_title = False
        self._link: list[str] | None = None
        self._open_tables: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "title":
            self._in_title = True
        elif tag == "meta":
            name = said.get("name") or said.get("property") or ""
            if name and "content" in said:
                self.meta.setdefault(name.lower(), said["content"].strip())
        elif tag in SILENT:
            self._silent.append(tag)
        elif tag == "a" and said.get("href"):
            self._link = ["", said["href"]]
            self.links.append(self._link)
        self._begin_table_part(tag)
        if tag in BLOCKS:
            self.parts.append("\n")

    def _begin_table_part(self, tag: str) -> None:
        if tag == "table":
            self._open_tables.append([])
            self.tables.append(self._open_tables[-1])
        elif self._open_tables and tag == "tr":
            self._open_tables[-1].append([])
        elif self._open_tables and tag in ("td", "th"):
            if not self._open_tables[-1]:
                self._open_tables[-1].append([])
            self._open_tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in self._silent:
            while self._silent.pop() != tag:
                pass
        elif tag == "a":
            self._link = None
        elif tag == "table" and self._open_tables:
            self._open_tables.pop()
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._silent:
            self.parts.append(data)
            if self._link is not None:
                self._link[0] += data
            if self._open_tables and self._open_tables[-1] and self._open_tables[-1][-1]:
                self._open_tables[-1][-1][-1] += data


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _lines(reader: _Reader) -> str:
    lines = (_one_line(line) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _links(reader: _Reader, base_url: str) -> list[dict]:
    """Each address once, without those that lead nowhere else."""
    found: dict[str, str] = {}
    for text, target in reader.links:
        try:
            url = urldefrag(urljoin(base_url, target.strip())).url
            scheme = urlsplit(url).scheme
        except ValueError:  # what stands there is no address
            continue
        if url and scheme in ("", "http", "https"):
            found[url] = found.get(url) or _one_line(text)
    return [{"url": url, "text": text} for url, text in found.items()]


@selfsmith.register_function(
    metadata={"description": "The text of an HTML page that people would read.", "tags": ["web", "html"]}
)
def readable_text(page: str) -> str:
    """The text of an HTML page that people would read, a line for each paragraph. Scripts and styles are left out.

    Args:
        page: the page as HTML.
    """
    return _lines(_read(page))


@selfsmith.register_function(metadata={"description": "The links of an HTML page.", "tags": ["web", "html"]})
def page_links(page: str, base_url: str = "") -> list[dict]:
    """The links of an HTML page, each address once, with its text.

    Args:
        page: the page as HTML.
        base_url: the page's own address, to which relative links are joined.
    """
    return _links(_read(page), base_url)


@selfsmith.register_function(metadata={"description": "The tables of an HTML page as rows of cells.", "tags": ["web", "html"]})
def page_tables(page: str) -> list[list[list[str]]]:
    """The tables of an HTML page, each as a list of rows, each of them a list of the cells' texts.

    Args:
        page: the page as HTML.
    """
    return [[[_one_line(cell) for cell in row] for row in table if row] for table in _read(page).tables]


@selfsmith.register_function(metadata={"description": "Title and meta values of an HTML page.", "tags": ["web", "html"]})
def page_facts(page: str) -> dict:
    """Title and meta values, such as description and author, of an HTML page.

    Args:
        page: the page as HTML.
    """
    reader = _read(page)
    return {"title": _one_line(reader.title), "meta": reader.meta}


@selfsmith.register_function(
    metadata={"description": "Fetch an address of a granted host. Add the host to this function first.", "tags": ["web"]},
)
def fetch(url: str, seconds: float = 20) -> dict:
    """Fetch an address: status, type and text, up to 2 MiB. A page that is not there is a status and no error.

    Edit this function and add the hosts that it may reach: it comes with none. Redirects are followed within those.

    Args:
        url: the address, with http or https.
        seconds: how long to wait for an answer.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address of the web. Write it with https:// and a host.")
    if not os.environ.get(f"{parts.scheme.upper()}_PROXY"):
        raise PermissionError(f"This function was granted no host. Edit it, add {parts.hostname}, and have it approved.")
    request = Request(url, headers={"User-Agent": "Selfsmith", "Accept-Encoding": "identity"})
    try:
        with urlopen(request, timeout=seconds) as answer:
            return _told(answer)
    except HTTPError as answer:
        return _told(answer)


def _told(answer: addinfourl) -> dict:
    data = answer.read(MOST_BYTES + 1)
    return {
        "url": answer.url,
        "status": answer.status,
        "content_type": answer.headers.get_content_type(),
        "text": data[:MOST_BYTES].decode(_charset(answer), "replace"),
        "is_cut": len(data) > MOST_BYTES,
    }


def _charset(answer: addinfourl) -> str:
    """The one that is named, if Python knows it."""
    named = answer.headers.get_content_charset() or "utf-8"
    try:
        "".encode(named)
    except LookupError:
        return "utf-8"
    return named


@selfsmith.register_function(
    metadata={"description": "Fetch a page of a granted host: its title, text and links.", "tags": ["web"]},
)
def fetch_page(url: str) -> dict:
    """Fetch an HTML page of a host that “fetch” was granted: its title, readable text, links, and the first tables.

    Args:
        url: the address, with http or https.
    """
    answer = fetch(url)
    reader = _read(answer["text"])
    return {
        "url": answer["url"],
        "status": answer["status"],
        "title": _one_line(reader.title),
        "text": _lines(reader),
        "links": _links(reader, answer["url"]),
    }
