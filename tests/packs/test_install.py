"""A pack is installed as one: nothing of it is there until people agree to all that it asks for, and then all of it is."""

import pytest

from apps.approvals.eligibility import AuthorCannotVote
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import withdraw_request
from apps.core.tenancy import scope
from apps.functions.capabilities import NotGranted, UnknownSecret, check_granted, find_grant, wish_of
from apps.functions.closure import resolve_closure
from apps.functions.definition import Settings
from apps.functions.models import CapabilityRequest, Function, Origin
from apps.functions.services import create_function, save_version
from apps.packages.models import PackageSet
from apps.packs.models import BroughtFunction, Pack, Release
from apps.packs.plan import NothingBrought, PackRefused, RequirementMissing
from apps.packs.services import PackChanged, PackWaits, install_pack, list_packs
from apps.packs.trees import BadPack
from apps.triggers.models import Rule
from apps.workspaces.models import Membership
from apps.workspaces.services import PermissionMissing
from tests.packs.conftest import active, library, manifest, marked, tree_of

WORDS = marked("def words(text: str) -> list:\n    return text.split()")
COUNT = marked("def count(text: str) -> int:\n    return len(words(text))", metadata={"description": "Counts.", "tags": ["text"]})
FETCH = marked("def fetch(path: str) -> str:\n    return API_KEY + path", secrets=["API_KEY"])
BOTH = marked("def both(path: str) -> str:\n    return fetch(path)")
HOSTS = '[functions.get]\nhosts = ["api.example.org"]\n'
GET = "def get(path: str) -> str:\n    return path\n"


def test_a_pack_that_asks_for_nothing_is_installed_at_once(install) -> None:
    release = install(tree_of(pack__toml=manifest(author="A. Person", license="MIT"), words__py=WORDS, count__py=COUNT))
    assert (release.state, str(release), release.author, release.license) == ("installed", "text-tools 1.0", "A. Person", "MIT")
    assert library() == ["count", "words"]
    assert {each.version.function.name for each in release.brought_functions.all()} == {"count", "words"}
    assert active("count").function.description == "Counts."
    assert active("count").origin == Origin.PACK
    assert not ApprovalRequest.objects.exists()


def test_looking_keeps_nothing(look) -> None:
    plan = look(tree_of(words__py=WORDS, count__py=COUNT), name="mine")
    assert [(each["name"], each["change"]) for each in plan.functions] == [("count", "new"), ("words", "new")]
    assert plan.manifest.name == "mine"
    assert not Function.objects.exists()
    assert not Pack.objects.exists()


def test_secrets_of_several_functions_are_one_request_and_nothing_is_there_until_it_is_approved(install, key, decide) -> None:
    release = install(tree_of(pack__toml=manifest(), fetch__py=FETCH, both__py=BOTH), reason="To fetch.")
    request = ApprovalRequest.objects.get()
    assert (request.kind, request.title, request.reason) == ("packs", "Install the pack text-tools 1.0", "To fetch.")
    assert (release.state, library()) == ("awaiting_approval", [])
    assert [each["function"] for each in request.subject["capabilities"]] == ["fetch", "both"]
    assert {each["name"] for each in request.subject["functions"]} == {"both", "fetch"}
    assert "API_KEY + path" in str(request.subject["functions"]), "the sources are what is voted on"
    decide()
    release.refresh_from_db()
    assert (release.state, library()) == ("installed", ["both", "fetch"])
    assert ApprovalRequest.objects.count() == 1, "no function asks again"
    for name in ("fetch", "both"):
        closure = resolve_closure(active(name))
        assert check_granted(find_grant(wish_of(closure)), closure).secrets == {"API_KEY": key.pk}


def test_hosts_that_an_exported_tree_names_are_asked_for(install, decide) -> None:
    install(tree_of(pack__toml=manifest() + HOSTS, get__py=GET))
    request = decide()
    assert request.subject["capabilities"][0]["hosts"] == ["api.example.org"]
    assert find_grant(wish_of([active("get")])).request == request


def test_who_brought_it_has_no_vote_nor_who_wrote_what_it_calls(install, cast, key, decide) -> None:
    create_function(actor=cast.admin, source="def helper(text: str) -> str:\n    return text\n")
    install(
        tree_of(fetch__py=marked("def fetch(a: str) -> str:\n    return helper(API_KEY)", secrets=["API_KEY"])), actor=cast.owner
    )
    for author in (cast.owner, cast.admin):
        with pytest.raises(AuthorCannotVote):
            decide(by=author)
    decide()
    assert "fetch" in library()


@pytest.mark.parametrize("how", ["reject", "withdraw"])
def test_what_people_refuse_was_never_there(install, cast, key, decide, how: str) -> None:
    release = install(tree_of(fetch__py=FETCH))
    if how == "reject":
        decide("reject", "Not needed.")
    else:
        withdraw_request(actor=cast.developer, request_id=ApprovalRequest.objects.get().pk)
    release.refresh_from_db()
    assert (release.state, library()) == ({"reject": "rejected", "withdraw": "withdrawn"}[how], [])
    assert release.reason
    assert not CapabilityRequest.objects.exists()
    assert install(tree_of(fetch__py=FETCH)).number == 2


def test_another_source_under_a_granted_name_is_not_granted(install, cast, key, decide) -> None:
    install(tree_of(fetch__py=FETCH))
    decide()
    function = Function.objects.get(name="fetch")
    cast.developer.is_token = True
    settings = Settings(secrets=("API_KEY",))
    save_version(
        actor=cast.developer, function=function, source="def fetch(path: str) -> str:\n    return 'x'\n", settings=settings
    )
    closure = resolve_closure(active("fetch"))
    assert find_grant(wish_of(closure)) is None
    with pytest.raises(NotGranted):
        check_granted(CapabilityRequest.objects.filter(request__kind="packs").get(), closure)


def test_a_person_s_edit_keeps_what_a_pack_was_granted(install, cast, key, decide) -> None:
    install(tree_of(fetch__py=FETCH))
    request = decide()
    function = Function.objects.get(name="fetch")
    settings = Settings(secrets=("API_KEY",))
    save_version(
        actor=cast.developer, function=function, source="def fetch(path: str) -> str:\n    return 'x'\n", settings=settings
    )
    assert find_grant(wish_of(resolve_closure(active("fetch")))).request == request


def test_what_somebody_saved_meanwhile_is_not_replaced_unseen(install, cast, key, decide) -> None:
    release = install(tree_of(fetch__py=FETCH))
    create_function(actor=cast.developer, source="def fetch(path: str) -> str:\n    return 'mine'\n")
    with pytest.raises(PackChanged, match="saved by somebody meanwhile"), scope(release.workspace_id):
        decide()
    release.refresh_from_db()
    assert (release.state, ApprovalRequest.objects.get().state) == ("awaiting_approval", "open")
    assert "mine" in active("fetch").source


@pytest.mark.parametrize("how", ["left", "demoted"])
def test_who_may_no_longer_write_functions_brings_none(install, cast, key, decide, how: str) -> None:
    release = install(tree_of(fetch__py=FETCH))
    if how == "left":
        cast.developer.delete()
    else:
        Membership.objects.filter(pk=cast.developer.pk).update(role="viewer")
    with pytest.raises(PackChanged, match="any more"), scope(release.workspace_id):
        decide()
    assert library() == []


def test_what_it_calls_and_is_gone_by_then_undoes_the_vote(install, cast, key, decide) -> None:
    helper = create_function(actor=cast.developer, source="def helper(text: str) -> str:\n    return text\n")
    release = install(tree_of(fetch__py=marked("def fetch(a: str) -> str:\n    return helper(API_KEY)", secrets=["API_KEY"])))
    Function.objects.filter(pk=helper.pk).update(archived_at="2026-01-01T00:00:00Z")
    with pytest.raises(PackChanged, match="helper"), scope(release.workspace_id):
        decide()
    release.refresh_from_db()
    assert (release.state, ApprovalRequest.objects.get().state, library()) == ("awaiting_approval", "open", [])


def test_what_it_calls_and_has_changed_by_then_asks_anew(install, cast, key, decide) -> None:
    """People saw another source in that box than the one that would run by now."""
    helper = create_function(actor=cast.developer, source="def helper(text: str) -> str:\n    return text\n")
    install(tree_of(fetch__py=marked("def fetch(a: str) -> str:\n    return helper(API_KEY)", secrets=["API_KEY"])))
    cast.developer.is_token = True
    save_version(actor=cast.developer, function=helper, source="def helper(text: str) -> str:\n    return text * 2\n")
    decide()
    assert find_grant(wish_of(resolve_closure(active("fetch")))) is None
    assert ApprovalRequest.objects.get(state="open").kind == "capabilities"


def test_what_a_program_installs_is_a_program_s(install, cast, key, decide) -> None:
    cast.developer.is_token = True
    install(tree_of(fetch__py=FETCH))
    decide()
    assert active("fetch").origin == Origin.TOKEN


def test_packages_are_asked_for_with_their_evidence(install) -> None:
    page = "def page(text: str) -> str:\n    return markdown.markdown(text)"
    release = install(tree_of(page__py=marked(page, imports=[{"name": "markdown", "lib": "Markdown"}])))
    assert release.brings["packages"] == ["markdown"]
    assert active("page").package_set == PackageSet.objects.get(state="queued")


def test_required_packs_and_releases_of_packages(install) -> None:
    page = marked("def page(text: str) -> str:\n    return markdown.markdown(text)", imports=["markdown"])
    tree = tree_of(pack__toml=manifest(requires=["words", "markdown>=3.7"]), page__py=page)
    with pytest.raises(RequirementMissing, match="“words”"):
        install(tree)
    install(tree_of(words__py=WORDS))
    install(tree)
    assert active("page").requirements == ["markdown>=3.7"]


def test_two_functions_of_one_name_keep_nothing(install) -> None:
    with pytest.raises(PackRefused, match="twice"):
        install(tree_of(a__py=WORDS + WORDS))
    with pytest.raises(PackRefused, match=r"already") as refusal:
        install(tree_of(a__py=WORDS + COUNT, b__py=WORDS))
    assert refusal.value.details["refused"][0]["file"] == "b.py"
    assert (library(), Pack.objects.count()) == ([], 0)


def test_a_pack_with_a_manifest_is_whole_or_not_at_all(install) -> None:
    lost = marked("def lost() -> int:\n    return nowhere()")
    with pytest.raises(PackRefused, match="“nowhere” is neither"):
        install(tree_of(pack__toml=manifest(), a__py=WORDS + lost))
    assert library() == []
    assert install(tree_of(a__py=WORDS + lost)).state == "installed"
    assert library() == ["words"]


def test_what_names_no_secret_that_is_there_is_refused(install) -> None:
    with pytest.raises(PackRefused, match="no secret API_KEY"):
        install(tree_of(fetch__py=FETCH))


def test_nothing_is_no_pack(install) -> None:
    with pytest.raises(PackRefused, match="Nothing here is marked"):
        install(tree_of(a__py="x = 1\n"))
    with pytest.raises(NothingBrought):
        install(tree_of(pack__toml=manifest(), a__py="x = 1\n"))
    with pytest.raises(BadPack, match=r"names f\.py"):
        install(tree_of(pack__toml=manifest() + "[functions.f]\n", a__py=WORDS))


def test_one_release_at_a_time_waits_for_people(install, key) -> None:
    install(tree_of(fetch__py=FETCH))
    with pytest.raises(PackWaits, match="Withdraw"):
        install(tree_of(fetch__py=f"{FETCH}\n\n{WORDS}"))


def test_the_same_files_again_ask_nobody_twice_and_make_no_release(install, key) -> None:
    first, again = install(tree_of(fetch__py=FETCH)), install(tree_of(fetch__py=FETCH))
    assert first.pk == again.pk
    installed, once_more = install(tree_of(words__py=WORDS)), install(tree_of(words__py=WORDS))
    assert installed.pk == once_more.pk
    assert Release.objects.count() == 2


def test_who_may_not_write_functions_may_install_none(in_acme, cast) -> None:
    with pytest.raises(PermissionMissing):
        install_pack(actor=cast.viewer, tree=tree_of(words__py=WORDS))


def test_an_upgrade_changes_what_differs_keeps_what_people_set_and_tells_what_is_gone(install, look, cast) -> None:
    install(tree_of(pack__toml=manifest(), words__py=WORDS, count__py=COUNT, gone__py=marked("def gone() -> int:\n    return 1")))
    count = active("count")
    settings = Settings(limits={"wall_seconds": 90})
    save_version(actor=cast.developer, function=count.function, source=count.source, settings=settings)
    newer = COUNT.replace("len(words(text))", "len(words(text)) + 1")
    tree = tree_of(pack__toml=manifest(version="2.0"), words__py=WORDS, count__py=newer)
    plan = look(tree)
    assert [(each["name"], each["change"]) for each in plan.functions] == [("count", "changed"), ("words", "none")]
    assert plan.gone == ["gone"]
    assert plan.frozen()["replaces"] == "1.0"
    release = install(tree)
    assert active("count").limits == {"wall_seconds": 90}
    assert "+ 1" in active("count").source
    assert "gone" in library()
    assert list(Release.objects.order_by("number").values_list("state", flat=True)) == ["replaced", "installed"]
    assert BroughtFunction.objects.filter(release=release, is_own=True).count() == 2


def test_an_upgrade_of_an_exported_tree_changes_what_the_pack_said_and_keeps_what_people_did(install, cast) -> None:
    table = "[functions.get]\nlimits = {wall_seconds = 10}\nrequirements = ['markdown']\n"
    source = "import markdown\n\n\ndef get(path: str) -> str:\n    return markdown.markdown(path)\n"
    install(tree_of(pack__toml=manifest() + table, get__py=source))
    get = active("get")
    changed = Settings(limits={"wall_seconds": 10}, isolation="function")
    save_version(actor=cast.developer, function=get.function, source=source, requirements=["markdown==3.7"], settings=changed)
    install(tree_of(pack__toml=manifest(version="2") + table.replace("= 10}", "= 20}"), get__py=source))
    assert (active("get").limits, active("get").isolation) == ({"wall_seconds": 20}, "function")
    assert active("get").requirements == ["markdown==3.7"]


def test_an_upgrade_that_waits_leaves_what_is_there(install, key, decide) -> None:
    install(tree_of(pack__toml=manifest(), words__py=WORDS))
    asks = marked("def words(text: str) -> list:\n    return [API_KEY]", secrets=["API_KEY"])
    release = install(tree_of(pack__toml=manifest(version="2"), words__py=asks))
    assert "API_KEY" not in active("words").source
    assert ApprovalRequest.objects.get().title == "Upgrade the pack text-tools 2"
    decide()
    release.refresh_from_db()
    assert (release.state, "API_KEY" in active("words").source) == ("installed", True)


def test_packs_are_found_by_name_and_description(install, cast) -> None:
    install(tree_of(pack__toml=manifest(description="Cuts texts."), words__py=WORDS))
    install(tree_of(pack__toml=manifest("other"), count__py=COUNT))
    for text, names in {"": ["other", "text-tools"], "cuts": ["text-tools"], "OTHER": ["other"], "cuts other": []}.items():
        assert [each.name for each in list_packs(actor=cast.viewer, search=text)] == names


def test_an_unknown_secret_is_not_told_from_one_that_is_for_models(install, cast) -> None:
    with pytest.raises(PackRefused) as refusal:
        install(tree_of(fetch__py=FETCH))
    assert UnknownSecret.code not in refusal.value.message


def test_a_rule_of_a_pack_is_there_only_when_people_agreed(install, decide) -> None:
    after = marked("def after(text: list) -> int:\n    return len(text)", triggers=["words"])
    install(tree_of(pack__toml=manifest(), words__py=WORDS, after__py=after))
    assert (Rule.objects.count(), library()) == (0, [])
    decide()
    rule = Rule.objects.select_related("function", "target").get()
    assert (rule.event_type, rule.function.name, rule.target.name, rule.is_active) == ("run.succeeded", "words", "after", True)
    assert rule.arguments == {"text": "event.data.result"}
    assert rule.owner.user.username == "developer"
