"""One task of the demo's kind in a workspace of its own: looked at, decided on, and counted when it has ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from apps.llm.library import prepared_scripts, sample_of
from tests.processes.installation import Installation, checked

SCRIPTS = {script.name: script for script in prepared_scripts()}
README = b"# Lamp\n\nIt shines.\n\n## Use\n\nSwitch it on.\n\n## Care\n\nKeep it dry.\n"
SECONDS = 90


@dataclass
class Story:
    installation: Installation
    workspace: str
    task_id: str

    @classmethod
    def begin(
        cls,
        installation: Installation,
        workspace: str,
        script: str,
        files: dict[str, bytes] | None = None,
        *,
        model: str | None = None,
    ) -> Self:
        """The owner gives the agent the script's task, on its sample or on other files; the scripted model plays it."""
        chosen = SCRIPTS[script]
        given = files if files is not None else {chosen.sample: sample_of(chosen)}
        api = installation.api("owner", workspace)
        stored = [checked(api.post("/files", files={"file": (name, data)}))["id"] for name, data in given.items()]
        body = {"prompt": chosen.prompt, "files": stored, "model": model or _scripted_model(installation, workspace)}
        return cls(installation, workspace, checked(api.post("/tasks", json=body))["id"])

    def look(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.get(f"/tasks/{self.task_id}")
        return answer

    def get(self, path: str) -> Any:
        return checked(self.installation.api("owner", self.workspace).get(path))

    def until(self, condition: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """Look at the task until the condition holds for it; how it was then."""

        def see() -> dict[str, Any] | None:
            task = self.look()
            return task if condition(task) else None

        found = self.installation.wait_until(see, SECONDS, f"{what} in {self.workspace}")
        assert found is not None
        return found

    def open_request(self) -> dict[str, Any] | None:
        requests = checked(self.installation.api("approver", self.workspace).get("/approvals", params={"state": "open"}))
        return next(iter(requests["items"]), None)

    def wait_for_request(self) -> dict[str, Any]:
        found = self.installation.wait_until(self.open_request, SECONDS, "an open request")
        assert found is not None
        return found

    def decide(self, decision: str = "approve", reason: str = "Looked at it.") -> None:
        """The approver votes on the digest that is shown."""
        request = self.wait_for_request()
        vote = {"decision": decision, "reason": reason, "digest": request["digest"]}
        checked(self.installation.session("approver", self.workspace).post(f"/api/v1/approvals/{request['id']}/votes", json=vote))

    def end(self) -> dict[str, Any]:
        return self.until(lambda task: task["finished_at"], "the end of the task")

    def count(self, table: str, condition: str = "true") -> int:
        """Rows of this workspace."""
        found: int = self.installation.rows(
            f"SELECT count(*) FROM {table} JOIN workspaces_workspace w ON w.id = workspace_id WHERE w.slug = %s AND {condition}",
            self.workspace,
        )[0][0]
        return found

    def tools(self) -> list[str]:
        return [step["tool"] for step in self.look()["steps"]]

    def digests(self) -> dict[str, str]:
        """Name → SHA-256 of the files that the task made."""
        return {artifact["name"]: artifact["sha256"] for artifact in self.look()["artifacts"]}


def _scripted_model(installation: Installation, workspace: str) -> str:
    ((found,),) = installation.rows(
        "SELECT m.id FROM llm_languagemodel m JOIN workspaces_workspace w ON w.id = workspace_id"
        " WHERE w.slug = %s AND kind = 'scripted' AND removed_at IS NULL",
        workspace,
    )
    return str(found)
