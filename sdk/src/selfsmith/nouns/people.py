"""What people decide and what agents do: approvals, tasks, packages, secrets; and whose token this is."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from selfsmith.models import Approval, ApprovalDetail, Me, PackageSet, Secret, Task, TaskDetail
from selfsmith.nouns.base import Id, Noun, read, segment


class Approvals(Noun):
    def list(self, *, state: str = "", limit: int | None = None) -> Iterator[Approval]:
        """Newest first, all pages; `state` is open, approved, rejected and so on."""
        return self._pages(Approval, "/approvals", state=state, limit=limit)

    def get(self, request_id: Id) -> ApprovalDetail:
        return read(ApprovalDetail, self._transport.get(f"/approvals/{segment(request_id)}"))

    def decide(self, request_id: Id, decision: str, *, digest: str, reason: str = "") -> ApprovalDetail:
        """Vote `approve` or `reject` on what `digest` was shown for.

        The platform lets people vote, at its page, and no tokens: with one this raises Forbidden (`token_cannot`).
        """
        body = {"decision": decision, "digest": digest, "reason": reason}
        return read(ApprovalDetail, self._transport.json("POST", f"/approvals/{segment(request_id)}/votes", body=body))


class Tasks(Noun):
    def list(self, *, limit: int | None = None) -> Iterator[Task]:
        """Newest first, all pages."""
        return self._pages(Task, "/tasks", limit=limit)

    def get(self, task_id: Id) -> TaskDetail:
        return read(TaskDetail, self._transport.get(f"/tasks/{segment(task_id)}"))

    def create(self, prompt: str, *, title: str = "", model: Id | None = None, files: Sequence[Id] = ()) -> Task:
        """Give an agent something to do; without a model the workspace's default one does it."""
        body: dict[str, Any] = {"prompt": prompt, "title": title, "files": [str(each) for each in files]}
        return read(Task, self._transport.json("POST", "/tasks", body=body | ({"model": str(model)} if model else {})))

    def cancel(self, task_id: Id) -> Task:
        return read(Task, self._transport.json("POST", f"/tasks/{segment(task_id)}/cancel", repeatable=True))


class Packages(Noun):
    def list(self, *, limit: int | None = None) -> Iterator[PackageSet]:
        """Newest first, all pages."""
        return self._pages(PackageSet, "/packages", limit=limit)

    def get(self, package_set_id: Id) -> PackageSet:
        return read(PackageSet, self._transport.get(f"/packages/{segment(package_set_id)}"))

    def ask(self, requirements: Sequence[str], *, reason: str) -> PackageSet:
        """Ask for packages; a person decides."""
        body = {"requirements": list(requirements), "reason": reason}
        return read(PackageSet, self._transport.json("POST", "/packages", body=body))


class Secrets(Noun):
    def list(self) -> Iterator[Secret]:
        """Names and what may be known, by name."""
        return self._pages(Secret, "/secrets")

    def set(self, name: str, value: str) -> Secret:
        """Keep a value under a name, for functions. It cannot be read back; the same value again is a further version."""
        return read(Secret, self._transport.json("PUT", f"/secrets/{quote(name, safe='')}", body={"value": value}))


class Account(Noun):
    def me(self) -> Me:
        return read(Me, self._transport.get("/me"))
