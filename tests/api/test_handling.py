"""How runs are handled, over the API: written with a function, kept by its versions, told of a run."""

from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.runs.models import Compensation, Run, StreamedItem
from tests.dashboard.conftest import make_run

SOURCE = "def whisper(text: str) -> str:\n    return text.lower()\n"
KEPT = {"cache_seconds": 60}


def test_a_function_is_written_with_its_handling_and_a_version_keeps_it_unless_told(caller) -> None:
    assert caller.post("/functions", {"source": SOURCE, "handling": KEPT}).json()["handling"] == KEPT
    versions = "/functions/whisper/versions"
    assert caller.post(versions, {"source": f"{SOURCE}#"}).json()["handling"] == KEPT
    assert caller.post(versions, {"source": SOURCE, "handling": {}}).json()["handling"] == {}
    refused = caller.post(versions, {"source": SOURCE, "handling": {"at_once": 0.5}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_handling")


def test_a_run_is_answered_at_once_unless_it_is_asked_for_afresh_or_answers_were_forgotten(caller, cast) -> None:
    caller.post("/functions", {"source": SOURCE, "handling": KEPT})
    start = {"arguments": {"text": "A"}}
    first = caller.post("/functions/whisper/runs", start).json()
    with scope(cast.acme.pk):
        Run.objects.filter(pk=first["id"]).update(state="succeeded", result="a", finished_at="2999-01-01T00:00:00Z")
    answered = caller.post("/functions/whisper/runs?wait=5", start)
    assert (answered.status_code, answered.json()["result"], answered.json()["answered_from"]) == (200, "a", first["id"])
    assert caller.get(f"/runs/{answered.json()['id']}").json()["state"] == "succeeded"
    afresh = caller.post("/functions/whisper/runs", {**start, "fresh": True})
    assert (afresh.status_code, afresh.json()["answered_from"]) == (202, None)
    caller.post("/functions/whisper/forget-answers")
    assert caller.post("/functions/whisper/runs", start).json()["answered_from"] is None


def test_a_run_tells_what_it_waits_for_its_items_and_what_is_undone(caller, cast) -> None:
    caller.post("/functions", {"source": SOURCE, "handling": {"at_once": 1}})
    first, second = (caller.post("/functions/whisper/runs", {"arguments": {"text": "a"}}).json()["id"] for _ in range(2))
    with scope(cast.acme.pk):
        Run.objects.filter(pk=first).update(state="running", attempt=1)
        StreamedItem.objects.bulk_create([StreamedItem(run_id=first, attempt=1, number=n, value=[n]) for n in (1, 2, 3)])
        version = Function.objects.select_related("active_version").get(name="whisper").active_version
        child = make_run(cast.developer, version, state="succeeded", root_id=first, parent_id=first, undone_by="shout")
        Compensation.objects.create(root_id=first, of=child, number=1, state="failed", reason="Gone.")
    assert caller.get(f"/runs/{second}").json()["waits_for"].startswith("Waits for its turn: 1 of at most 1 runs")
    assert caller.get(f"/runs/{first}/items", after=1).json() == [{"number": 2, "value": [2]}, {"number": 3, "value": [3]}]
    (told,) = caller.get(f"/runs/{first}").json()["compensations"]
    assert told == {"undoes": str(child.pk), "function": "shout", "state": "failed", "reason": "Gone.", "run": None}


def test_a_stranger_sees_no_items(caller, cast, by_session) -> None:
    caller.post("/functions", {"source": SOURCE})
    run = caller.post("/functions/whisper/runs", {"arguments": {"text": "a"}}).json()["id"]
    assert by_session(cast.stranger).get(f"/runs/{run}/items").status_code == 404
