"""Folders, groups and health over the API."""

from apps.core.tenancy import scope
from apps.functions.services import create_function

SOURCE = "def pay(amount: int) -> int:\n    return amount\n"


def test_a_folder_is_made_filled_kept_and_renamed(cast, by_token) -> None:
    owner, operator = by_token(cast.owner), by_token(cast.operator)
    assert owner.post("/folders", {"path": "billing/cards"}).status_code == 201
    made = owner.post("/functions", {"source": SOURCE, "folder": "billing/cards"})
    assert (made.status_code, made.json()["folder"], made.json()["owner"]) == (201, "billing/cards", "owner")
    kept = owner.send("PUT", "/folders/access?path=billing", '{"action": "run", "roles": ["developer"]}')
    assert kept.json()["run"] == {"roles": ["developer"], "groups": []}
    refused = operator.post("/functions/pay/runs", {"arguments": {"amount": 1}})
    assert (refused.status_code, refused.json()["code"], refused.json()["details"]) == (
        403,
        "folder_forbids",
        {"folder": "billing"},
    )
    assert owner.send("PATCH", "/folders?path=billing", '{"path": "finance"}').json()["functions_below"] == 1
    assert [each["path"] for each in owner.get("/folders").json()] == ["finance", "finance/cards"]
    moved = owner.post("/functions/move", {"functions": ["pay"], "folder": ""})
    assert [each["folder"] for each in moved.json()] == [""]
    assert operator.post("/functions/pay/runs", {"arguments": {"amount": 1}}).status_code == 202


def test_a_folder_that_is_not_there_keeps_nothing(cast, by_token) -> None:
    owner = by_token(cast.owner)
    refused = owner.post("/functions", {"source": SOURCE, "folder": "nowhere"})
    assert (refused.status_code, refused.json()["code"]) == (404, "no_such_folder")
    assert owner.get("/functions/pay").status_code == 404


def test_a_group_by_its_name(cast, by_token) -> None:
    owner = by_token(cast.owner)
    assert owner.send("PUT", "/groups/cards", '{"members": ["developer", "operator"]}').status_code == 200
    assert owner.send("PUT", "/groups/cards", '{"members": ["operator"]}').json()["members"] == ["operator"]
    assert owner.send("PUT", "/groups/cards", '{"members": ["stranger"]}').status_code == 404
    assert [each["members"] for each in owner.get("/groups").json()] == [["operator"]]


def test_health_of_a_function_that_was_never_run(cast, by_token) -> None:
    with scope(cast.acme.pk):
        create_function(actor=cast.developer, source=SOURCE)
    told = by_token(cast.viewer).get("/functions/pay/health").json()
    assert (told["health"], told["runs"], told["last_run"], told["suggestions"]) == ("never_run", 0, None, [])
