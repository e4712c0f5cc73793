"""Functions and their versions: what is kept, what is refused, who may."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from apps.audit.models import AuditRecord
from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.functions.analysis import MAX_SOURCE_BYTES
from apps.functions.checks import MissingPackage, SourceInvalid, SourceTooLarge, UnusedDependency
from apps.functions.closure import UnknownDependency
from apps.functions.definition import InvalidGrant, InvalidName, InvalidTag, Provenance, Settings
from apps.functions.models import Function, FunctionVersion, Isolation, Origin, RetryClass
from apps.functions.services import (
    NameTaken,
    NoSuchFunction,
    NoSuchVersion,
    create_function,
    find_function,
    get_function,
    get_version,
    update_details,
)
from apps.packages.models import PackageSet
from apps.vault.services import set_secret
from apps.workspaces.services import PermissionMissing

CLEAN = 'def clean(text: str) -> str:\n    """Clean a text."""\n    return text.strip()\n'
SHOUT = "def shout(text: str) -> str:\n    return clean(text).upper()\n"


def by_agent(task_id: object) -> Provenance:
    return Provenance(origin=Origin.AGENT, task_id=task_id, prompt="Make it.", model="scripted")


def test_a_person_s_function_is_active_at_once_with_all_that_the_source_tells(make, developer) -> None:
    function = make(CLEAN, tags=["Text", "text "])
    version = function.active_version
    assert (function.name, function.description, function.tags) == ("clean", "Clean a text.", ["text"])
    assert (version.number, version.entry, version.origin, version.author_name) == (1, "clean", "person", "developer")
    assert version.input_schema["properties"] == {"text": {"type": "string"}}
    assert version.digest == version.compute_digest()
    assert version.retry_class == RetryClass.ON_LOST
    assert version.package_set is None
    assert AuditRecord.objects.filter(action="function.created", subject_id=str(function.pk)).exists()


def test_the_name_chooses_the_entry_among_several_functions(make) -> None:
    function = make("def one(): ...\ndef two(): ...\n", name="one")
    assert (function.name, function.active_version.entry) == ("one", "one")


@pytest.mark.parametrize("name", ["", "two words", "1st", "_hidden", "class", "print", "func", "naïve", "a" * 101, "a.b"])
def test_a_name_that_cannot_be_called_is_refused(make, name) -> None:
    with pytest.raises(InvalidName):
        make("def f(): ...", name=name)
    assert not Function.objects.exists()


def test_an_entry_whose_own_name_hides_python_is_refused(make) -> None:
    with pytest.raises(InvalidName):
        make("def open(path): ...")


def test_a_name_is_taken_once_in_a_workspace_and_nothing_is_stored_half(make) -> None:
    make(CLEAN)
    with pytest.raises(NameTaken):
        make(CLEAN)
    assert FunctionVersion.objects.count() == 1


@pytest.mark.django_db
def test_a_stranger_s_ids_do_not_exist(cast) -> None:
    with scope(cast.acme.pk):
        function = create_function(actor=cast.developer, source=CLEAN)
    with scope(cast.globex.pk):
        with pytest.raises(NoSuchFunction):
            get_function(actor=cast.stranger, function_id=function.pk)
        with pytest.raises(NoSuchVersion):
            get_version(actor=cast.stranger, version_id=function.active_version_id)
        assert find_function(actor=cast.stranger, name="clean") is None
        with pytest.raises(UnknownDependency):
            create_function(actor=cast.stranger, source=SHOUT)
        create_function(actor=cast.stranger, source=CLEAN)


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_only_developers_write(make, save, cast, role) -> None:
    function = make(CLEAN)
    actor = getattr(cast, role)
    with pytest.raises(PermissionMissing):
        make(CLEAN, actor=actor)
    with pytest.raises(PermissionMissing):
        save(function, CLEAN + "#", actor=actor)
    with pytest.raises(PermissionMissing):
        update_details(actor=actor, function=function, description="", tags=[])
    assert get_function(actor=actor, function_id=function.pk) == function


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def f(:", SourceInvalid),
        ("x = 1", SourceInvalid),
        ("def f(): return '\ud800'", SourceInvalid),
        ("def f(): ...\n\0", SourceInvalid),
        ("#" * (MAX_SOURCE_BYTES + 1), SourceTooLarge),
        ("def f(): missing_one()", UnknownDependency),
        ("import yaml\ndef f(): ...", MissingPackage),
    ],
)
def test_a_bad_source_is_refused_and_nothing_is_stored(make, source, error) -> None:
    with pytest.raises(error) as caught:
        make(source)
    assert 400 <= caught.value.status < 500
    assert not Function.objects.exists()
    assert not PackageSet.objects.exists()


def test_a_syntax_error_tells_its_place(make) -> None:
    with pytest.raises(SourceInvalid) as caught:
        make("def f():\n    return (\n")
    (problem,) = caught.value.details["problems"]
    assert (problem["code"], problem["line"], problem["text"]) == ("syntax", 2, "    return (")
    assert caught.value.message.startswith("Line 2: Syntax error")


def test_an_unknown_name_is_told_with_line_and_nearest_names(make) -> None:
    make(CLEAN)
    with pytest.raises(UnknownDependency) as caught:
        make("def f(x):\n    return claen(x)")
    assert caught.value.message == (
        "Line 2: “claen” is neither defined in the source nor a function of this workspace. Did you mean clean?"
    )
    assert caught.value.details["names"] == [{"name": "claen", "line": 2, "column": 12, "nearest": ["clean"]}]


def test_a_forgotten_import_is_told_as_one(make) -> None:
    with pytest.raises(UnknownDependency, match="Add “import json”"):
        make("def f(x):\n    return json.dumps(x)")


def test_a_declared_dependency_that_is_not_used_is_refused(make) -> None:
    make(CLEAN)
    with pytest.raises(UnusedDependency, match="clean"):
        make("def f(): ...", dependencies=["clean"])
    assert make(SHOUT, dependencies=["clean"]).active_version.dependencies == ["clean"]


def test_a_missing_package_is_told_with_the_requirement_to_add(make) -> None:
    with pytest.raises(MissingPackage) as caught:
        make("import os\nfrom PIL import Image\nimport markdown\ndef f(): ...", requirements=["markdown"])
    assert caught.value.details["imports"] == [{"module": "PIL", "line": 2, "requirement": "pillow"}]


def test_an_import_that_an_unknown_requirement_may_bring_gets_the_benefit_of_the_doubt(make) -> None:
    assert make("import foo\ndef f(): ...", requirements=["scikit-foo"]).active_version.requirements == ["scikit-foo"]


def test_an_import_that_the_source_can_do_without_needs_no_requirement(make) -> None:
    made = make("try:\n    import ujson\nexcept ImportError:\n    ujson = None\ndef f(): ...")
    assert made.active_version.requirements == []


@pytest.mark.parametrize(
    "requirement", ["git+https://example.com/x", "https://example.com/x.whl", "./local", "a b c", "--index-url=x"]
)
def test_a_requirement_that_is_no_name_is_refused(make, requirement) -> None:
    with pytest.raises(DomainError) as caught:
        make("def f(): ...", requirements=[requirement])
    assert caught.value.status == 422
    assert not Function.objects.exists()


def test_requirements_are_asked_for_in_the_same_step(make, developer) -> None:
    version = make("import markdown\ndef f(): ...", requirements=["Markdown>=3"]).active_version
    assert version.requirements == ["markdown>=3"]
    assert version.package_set.requirements == ["markdown>=3"]
    assert version.package_set.asked_by == developer
    assert "“f”" in version.package_set.reason


def test_a_function_needs_the_packages_of_what_it_calls(make) -> None:
    make("import markdown\ndef render(text): return markdown.markdown(text)", requirements=["markdown"])
    page = make("import yaml\ndef page(text): return render(yaml.safe_load(text))", requirements=["pyyaml"])
    assert page.active_version.requirements == ["pyyaml"]
    assert page.active_version.package_set.requirements == ["markdown", "pyyaml"]


def test_a_new_version_gets_the_next_number_and_is_active(make, save) -> None:
    function = make(CLEAN)
    version = save(function, CLEAN + "# better\n")
    assert version.number == 2
    assert Function.objects.get(pk=function.pk).active_version == version
    assert [v.number for v in function.versions.for_history()] == [2, 1]


def test_saving_what_is_already_active_adds_no_version(make, save) -> None:
    function = make(CLEAN)
    assert save(function, CLEAN) == function.active_version
    assert FunctionVersion.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"source": CLEAN + "#"},
        {"requirements": ["markdown"]},
        {"settings": Settings(secrets=("KEY",))},
        {"settings": Settings(hosts=("example.com",))},
        {"settings": Settings(limits={"wall_seconds": 60})},
        {"settings": Settings(retry_class=RetryClass.ON_ERROR)},
        {"settings": Settings(isolation=Isolation.FUNCTION)},
        {"settings": Settings(imports_first=True)},
    ],
)
def test_the_digest_covers_everything_that_matters(make, save, change, admin) -> None:
    set_secret(actor=admin, name="KEY", value="correct-horse")
    function = make(CLEAN)
    first = function.active_version.digest
    assert save(function, **{"source": CLEAN, **change}).digest != first


def test_the_digest_of_a_version_with_a_box_per_run_is_what_it_was_before_there_was_a_choice(make) -> None:
    version = make(CLEAN).active_version
    assert version.isolation == Isolation.RUN
    assert "isolation" not in version.content()
    assert "imports_first" not in version.content()


def test_the_entry_of_a_version_stays_the_function_s_name(make, save) -> None:
    function = make(CLEAN)
    with pytest.raises(SourceInvalid, match="no function named “clean”"):
        save(function, "def wash(): ...")


@pytest.mark.parametrize(
    "column", ["source", "digest", "input_schema", "number", "prompt", "requirements", "isolation", "imports_first"]
)
def test_the_database_refuses_to_change_a_version(make, column) -> None:
    version = make(CLEAN).active_version
    other = {"number": 7, "imports_first": True}.get(column, "x")
    with pytest.raises(IntegrityError), transaction.atomic():
        FunctionVersion.objects.filter(pk=version.pk).update(**{column: other})
    assert FunctionVersion.objects.get(pk=version.pk).source == CLEAN


def test_outside_access_is_never_retried_unless_the_author_says_so(make, admin) -> None:
    set_secret(actor=admin, name="KEY", value="correct-horse")
    assert make(CLEAN, settings=Settings(secrets=("KEY",))).active_version.retry_class == RetryClass.NEVER
    said = Settings(hosts=("example.com",), retry_class=RetryClass.ON_LOST)
    assert make("def f(): ...", settings=said).active_version.retry_class == RetryClass.ON_LOST


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (Settings(secrets=("two words",)), InvalidGrant),
        (Settings(hosts=("*.example.com",)), InvalidGrant),
        (Settings(hosts=("http://example.com",)), InvalidGrant),
        (Settings(hosts=("localhost",)), InvalidGrant),
        (Settings(secrets=tuple(f"S{n}" for n in range(21))), InvalidGrant),
    ],
)
def test_what_can_never_be_granted_is_refused(make, settings, error) -> None:
    with pytest.raises(error):
        make(CLEAN, settings=settings)


def test_a_bad_tag_is_refused(make) -> None:
    with pytest.raises(InvalidTag):
        make(CLEAN, tags=["two words"])


def test_a_task_s_function_belongs_to_that_task_alone(make, developer) -> None:
    task, other = uuid4(), uuid4()
    make(CLEAN, provenance=by_agent(task))
    assert not Function.objects.library().exists()
    assert find_function(actor=developer, name="clean") is None
    assert find_function(actor=developer, name="clean", task_id=other) is None
    found = find_function(actor=developer, name="clean", task_id=task)
    assert (found.active_version.origin, found.active_version.prompt) == ("agent", "Make it.")
    with pytest.raises(UnknownDependency):
        make(SHOUT)
    with pytest.raises(UnknownDependency):
        make(SHOUT, provenance=by_agent(other))
    make(SHOUT, provenance=by_agent(task))


def test_a_task_s_function_stands_in_front_of_the_library_s_for_that_task(make, developer) -> None:
    task = uuid4()
    library = make(CLEAN)
    own = make(CLEAN + "# mended\n", provenance=by_agent(task))
    assert find_function(actor=developer, name="clean", task_id=task) == own
    assert find_function(actor=developer, name="clean") == library


def test_a_task_cannot_change_the_library_s_function_nor_a_person_the_task_s(make, save) -> None:
    task = uuid4()
    library, own = make(CLEAN), make(CLEAN, provenance=by_agent(task))
    with pytest.raises(NoSuchFunction):
        save(library, CLEAN + "#", provenance=by_agent(task))
    with pytest.raises(NoSuchFunction):
        save(own, CLEAN + "#")
    with pytest.raises(NoSuchFunction):
        save(own, CLEAN + "#", provenance=by_agent(uuid4()))


def test_details_change_without_a_new_version(make, developer) -> None:
    function = make(CLEAN)
    update_details(actor=developer, function=function, description="New.", tags=["b", "a"])
    kept = Function.objects.get(pk=function.pk)
    assert (kept.description, kept.tags) == ("New.", ["a", "b"])
    assert FunctionVersion.objects.count() == 1


def test_search_finds_every_word_in_name_description_or_tags(make) -> None:
    make(CLEAN, tags=["text"])
    make("def report(): ...", description="Writes a clean page.")
    search = Function.objects.library().search

    def found(text: str) -> set[str]:
        return set(search(text).values_list("name", flat=True))

    assert found("clean") == {"clean", "report"}
    assert found("CLEAN page") == {"report"}
    assert found("text clean") == {"clean"}
    assert found("nothing") == set()
    assert found("100%_") == set()
    assert set(Function.objects.tagged(["text"]).values_list("name", flat=True)) == {"clean"}


def test_a_list_costs_one_query_however_long(make, django_assert_num_queries) -> None:
    for number in range(5):
        make(f"import markdown\ndef f{number}(): ...", requirements=["markdown"])
    with django_assert_num_queries(1):
        for function in Function.objects.library().for_list():
            assert function.active_version.package_set.state
            assert str(function.created_by)


@pytest.mark.parametrize("unkeepable", ["a\0b", "a\ud800b"])
def test_text_that_the_database_cannot_keep_is_shown_as_such_and_never_an_error(make, developer, unkeepable) -> None:
    function = make(CLEAN, description=unkeepable, provenance=Provenance(prompt=unkeepable))
    assert function.description == "a\N{REPLACEMENT CHARACTER}b"
    assert find_function(actor=developer, name=unkeepable) is None
    assert not Function.objects.library().search(unkeepable + "x").exists()
