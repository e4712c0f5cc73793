"""Pack files: plain Python in which a decorator marks the functions. The platform reads them and runs nothing of them."""

from collections.abc import Iterable, Iterator, Mapping

from selfsmith.models import Pack, PackReport
from selfsmith.nouns.base import Noun, read


class Packs(Noun):
    def list(self, *, search: str = "", limit: int | None = None) -> Iterator[Pack]:
        """Newest first, all pages."""
        return self._pages(Pack, "/packs", search=search, limit=limit)

    def look(self, files: Mapping[str, str], *, name: str = "") -> PackReport:
        """What installing the files (name → text) would bring; `name` is the pack's, where no manifest says it. Keeps nothing."""
        return self._send(files.items(), name, only_look=True)

    def load(self, files: Mapping[str, str], *, name: str = "") -> PackReport:
        """Install what can be of the files; installing the same again changes nothing."""
        return self._send(files.items(), name, only_look=False)

    def _send(self, files: Iterable[tuple[str, str]], name: str, *, only_look: bool) -> PackReport:
        body = {"files": [{"name": file, "text": text} for file, text in files], "name": name, "only_look": only_look}
        return read(PackReport, self._transport.json("POST", "/packs", body=body, repeatable=True))
