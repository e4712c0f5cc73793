"""Functions of the library, their versions, and running them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from selfsmith.errors import Invalid, WaitsForPeople
from selfsmith.models import AWAITING_APPROVAL, Difference, Function, Run, Version, VersionDetail
from selfsmith.nouns.base import Id, Noun, read, segment
from selfsmith.nouns.runs import Runs, result_of

AT_ONCE = 20.0  # seconds that the request which starts a run may wait for its end itself
NOT_FITTING = "arguments_invalid"  # the platform's word for it
MARGIN = 15.0  # seconds that such an answer may take besides


class Functions(Noun):
    def list(self, *, search: str = "", archived: bool = False, limit: int | None = None) -> Iterator[Function]:
        """Newest first, all pages."""
        shelf = "archive" if archived else "library"
        return self._pages(Function, "/functions", search=search, shelf=shelf, limit=limit)

    def get(self, name: str) -> Function:
        return read(Function, self._transport.get(f"/functions/{segment(name)}"))

    def create(self, source: str, **stated: Any) -> Function:
        """Write a function. `stated` are the fields of the API: name, description, tags, requirements, dependencies, limits,
        retry_class, retry, isolation, imports_first, logging, hosts, secrets."""
        return read(Function, self._transport.json("POST", "/functions", body={"source": source, **stated}))

    def describe(self, name: str, *, description: str, tags: Sequence[str]) -> Function:
        """Change what is said about a function; its versions stay as they are."""
        body = {"description": description, "tags": list(tags)}
        return read(Function, self._transport.json("PATCH", f"/functions/{segment(name)}", body=body, repeatable=True))

    def archive(self, name: str) -> Function:
        return read(Function, self._transport.json("POST", f"/functions/{segment(name)}/archive"))

    def unarchive(self, name: str) -> Function:
        return read(Function, self._transport.json("POST", f"/functions/{segment(name)}/unarchive"))

    def delete(self, name: str) -> None:
        """Delete an archived function with its versions and runs."""
        self._transport.json("DELETE", f"/functions/{segment(name)}")

    def start(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        files: Sequence[Id] = (),
        idempotency_key: str | None = None,
        wait: float = 0,
        queue_seconds: float | None = None,
        total_seconds: float | None = None,
    ) -> Run:
        """Begin a run. Without a key of your own one is made up, so that a lost answer never makes two runs.

        Args:
            files: ids of stored files that it works on.
            wait: seconds, at most 60, that the answer may wait for the run's end.
            queue_seconds, total_seconds: how long it may wait for a worker, and how long it may take altogether.
        """
        body: dict[str, Any] = {"arguments": dict(arguments or {}), "files": [str(each) for each in files]}
        given = {"queue_seconds": queue_seconds, "total_seconds": total_seconds}
        body |= {key: value for key, value in given.items() if value is not None}
        told = self._transport.json(
            "POST",
            f"/functions/{segment(name)}/runs",
            query={"wait": wait or None},
            body=body,
            headers={"Idempotency-Key": idempotency_key or uuid4().hex},
            repeatable=True,
            timeout=wait + MARGIN if wait else None,
        )
        return read(Run, told)

    def call(self, name: str, /, *positional: Any, **arguments: Any) -> Any:
        """Run a function and give what it gives back. Positional values go to parameters in the order of the signature.

        Raises: RunFailed, with the traceback of the box; WaitsForPeople, where people have to decide before it can begin
        """
        if positional:
            arguments = {**bind(self.get(name), positional, arguments), **arguments}
        run = self.start(name, arguments, wait=AT_ONCE)
        if run.state == AWAITING_APPROVAL:
            raise WaitsForPeople(run)
        return Runs(self._transport).result(run.id) if run.is_open else result_of(run)


class Versions(Noun):
    def list(self, name: str, *, limit: int | None = None) -> Iterator[Version]:
        """Newest first, all pages."""
        return self._pages(Version, f"/functions/{segment(name)}/versions", limit=limit)

    def get(self, name: str, number: int) -> VersionDetail:
        return read(VersionDetail, self._transport.get(f"/functions/{segment(name)}/versions/{number}"))

    def write(self, name: str, source: str, **stated: Any) -> Version:
        """Save a version. `stated` are the fields of the API, such as `based_on`, `activate` and those of a function."""
        told = self._transport.json("POST", f"/functions/{segment(name)}/versions", body={"source": source, **stated})
        return read(Version, told.get("saved") if isinstance(told, dict) else told)

    def difference(self, name: str, *, before: int | None = None, after: int | None = None) -> Difference:
        """Without numbers from the active version to the newest."""
        return read(Difference, self._transport.get(f"/functions/{segment(name)}/diff", before=before, after=after))

    def activate(self, name: str, number: int, *, instead_of: int | None = None) -> Function:
        return self._choose(name, "activate", number, instead_of)

    def roll_back(self, name: str, number: int, *, instead_of: int | None = None) -> Function:
        return self._choose(name, "roll-back", number, instead_of)

    def _choose(self, name: str, verb: str, number: int, instead_of: int | None) -> Function:
        body = {"version": number, "instead_of": instead_of}
        return read(Function, self._transport.json("POST", f"/functions/{segment(name)}/{verb}", body=body))


def bind(function: Function, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Positional values by the names of the function's parameters.

    Raises: Invalid
    """
    order = function.input_schema.get("x-order") or list(function.input_schema.get("properties", {}))
    if len(positional) > len(order):
        given = f"{len(positional)} were given by position"
        raise Invalid(f"{function.name} takes {len(order)} arguments; {given}.", code=NOT_FITTING)
    bound = dict(zip(order, positional, strict=False))
    if twice := sorted(bound.keys() & named.keys()):
        raise Invalid(f"{function.name} was given {', '.join(twice)} twice.", code=NOT_FITTING)
    return bound
