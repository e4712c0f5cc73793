"""The dependency graph: order, cycles, unknown names, and one environment for all."""

from uuid import uuid4

import pytest

from apps.functions import closure as closure_module
from apps.functions.archive import archive_function
from apps.functions.checks import BadPin
from apps.functions.closure import ClosureTooLarge, DependencyCycle, PinsDiffer, UnknownDependency, resolve_closure
from apps.functions.definition import Provenance
from apps.functions.models import Function, FunctionVersion, Origin
from apps.functions.services import closure_requirements, ensure_environment
from apps.packages.requirements import ContradictingRequirements


def names(version: FunctionVersion) -> list[str]:
    return [each.function.name for each in resolve_closure(version)]


def calling(name: str, *others: str) -> str:
    return f"def {name}():\n    return [{', '.join(f'{other}()' for other in others)}]\n"


def test_dependencies_come_first_each_once_and_the_version_last(make) -> None:
    make(calling("base"))
    make(calling("left", "base"))
    make(calling("right", "base"))
    top = make(calling("top", "left", "right"))
    assert names(top.active_version) == ["base", "left", "right", "top"]


def test_a_chain_costs_one_query_a_level(make, django_assert_num_queries) -> None:
    make(calling("f0"))
    for number in range(1, 6):
        function = make(calling(f"f{number}", f"f{number - 1}"))
    version = FunctionVersion.objects.select_related("function").get(pk=function.active_version_id)
    with django_assert_num_queries(5):
        assert names(version) == ["f0", "f1", "f2", "f3", "f4", "f5"]


def test_the_active_version_of_a_dependency_is_used(make, save) -> None:
    base = make(calling("base"))
    top = make(calling("top", "base"))
    newer = save(base, calling("base") + "# newer\n")
    assert resolve_closure(top.active_version)[0] == newer


def test_a_function_may_call_itself(make) -> None:
    function = make("def fib(n: int) -> int:\n    return n if n < 2 else fib(n - 1) + fib(n - 2)")
    assert function.active_version.dependencies == []
    assert names(function.active_version) == ["fib"]


def test_a_cycle_is_refused_with_its_path_and_nothing_is_stored(make, save) -> None:
    first = make(calling("first"))
    make(calling("second", "first"))
    make(calling("third", "second"))
    with pytest.raises(DependencyCycle) as caught:
        save(first, calling("first", "third"))
    assert caught.value.details["path"] == ["first", "third", "second", "first"]
    assert "first → third → second → first" in caught.value.message
    assert first.versions.count() == 1


def test_a_dependency_that_is_gone_is_told_with_who_needs_it(make) -> None:
    base = make(calling("base"))
    top = make(calling("top", "base"))
    type(base).objects.filter(pk=base.pk).update(active_version=None)
    with pytest.raises(UnknownDependency, match="“top” needs a function “base”"):
        resolve_closure(top.active_version)


def test_a_task_s_own_functions_are_found_first(make) -> None:
    provenance = Provenance(origin=Origin.AGENT, task_id=uuid4())
    library = make(calling("base"))
    own = make(calling("base") + "# own\n", provenance=provenance)
    in_task = make(calling("top", "base"), provenance=provenance)
    in_library = make(calling("top", "base"))
    assert resolve_closure(in_task.active_version)[0] == own.active_version
    assert resolve_closure(in_library.active_version)[0] == library.active_version


def test_a_closure_that_is_too_large_is_refused(make, monkeypatch) -> None:
    monkeypatch.setattr(closure_module, "MAX_CLOSURE", 3)
    make(calling("a"))
    make(calling("b", "a"))
    make(calling("c", "b"))
    with pytest.raises(ClosureTooLarge):
        make(calling("d", "c"))
    assert not Function.objects.filter(name="d").exists()


def test_the_requirements_of_a_closure_are_one_normalised_list(make) -> None:
    make("import yaml\ndef a(): ...", requirements=["PyYAML>=6"])
    top = make("import yaml, markdown\ndef top(): return a()", requirements=["markdown", "pyyaml<7"])
    assert closure_requirements(resolve_closure(top.active_version)) == ["markdown", "pyyaml<7,>=6"]


def test_requirements_that_contradict_each_other_are_refused(make) -> None:
    make("import yaml\ndef a(): ...", requirements=["pyyaml==6.0"])
    with pytest.raises(ContradictingRequirements):
        make("import yaml\ndef top(): return a()", requirements=["pyyaml==5.4"])
    assert not Function.objects.filter(name="top").exists()


def test_the_environment_of_a_closure_is_asked_for_once(make, developer) -> None:
    version = make("import yaml\ndef a(): ...", requirements=["pyyaml"]).active_version
    again = ensure_environment(actor=developer, closure=[version], reason="to run it")
    assert again == version.package_set
    assert ensure_environment(actor=developer, closure=[], reason="nothing") is None


def numbers(version: FunctionVersion) -> dict[str, int]:
    return {each.function.name: each.number for each in resolve_closure(version)}


def test_a_pinned_version_is_taken_whichever_is_active(make, save) -> None:
    base = make(calling("base"))
    top = make(calling("top", "base"), dependencies=["base@1"])
    save(base, calling("base") + "# 2\n")
    assert top.active_version.pins == {"base": 1}
    assert numbers(top.active_version) == {"base": 1, "top": 1}
    assert top.active_version.content()["pins"] == {"base": 1}
    assert "pins" not in base.active_version.content()


def test_what_one_function_pins_holds_for_all_in_the_box(make, save) -> None:
    base = make(calling("base"))
    save(base, calling("base") + "# 2\n")
    make(calling("careful", "base"), dependencies=["base@1"])
    make(calling("careless", "base"))
    top = make(calling("top", "careful", "careless"))
    assert numbers(top.active_version) == {"base": 1, "careful": 1, "careless": 1, "top": 1}


def test_a_pinned_version_brings_the_pins_of_its_own_and_not_those_of_the_active_one(make, save) -> None:
    base, middle = make(calling("base")), make(calling("middle"))
    save(base, calling("base") + "# 2\n")
    save(middle, calling("middle", "base"), dependencies=["base@1"])
    save(middle, calling("middle", "base") + "#\n", dependencies=[])
    free = make(calling("free", "middle", "base"))
    kept = make(calling("kept", "middle", "base"), dependencies=["middle@2"])
    assert numbers(free.active_version) == {"base": 2, "middle": 3, "free": 1}
    assert numbers(kept.active_version) == {"base": 1, "middle": 2, "kept": 1}


def test_two_pins_that_differ_are_refused_with_both_who_pin(make, save) -> None:
    save(make(calling("base")), calling("base") + "# 2\n")
    make(calling("old", "base"), dependencies=["base@1"])
    make(calling("new", "base"), dependencies=["base@2"])
    with pytest.raises(PinsDiffer, match="“old” needs version 1 of “base” and “new” needs version 2"):
        make(calling("top", "new", "old"))


def test_pins_that_go_round_and_round_end_with_a_sentence(make, save) -> None:
    left, right = make(calling("left")), make(calling("right"))
    make(calling("leaf"))
    save(left, calling("left", "leaf"))
    save(right, calling("right", "leaf"))
    FunctionVersion.objects.bulk_create(
        FunctionVersion(
            function=function, number=3, source="", entry="f", input_schema={}, output_schema={}, retry_class="on_lost",
            origin="person", author_name="developer", digest="x", pins=pins,
        )
        for function, pins in ((left, {"right": 1}), (right, {"left": 1}))
    )  # fmt: skip
    for function in (left, right):
        Function.objects.filter(pk=function.pk).update(active_version=function.versions.get(number=3))
    with pytest.raises(PinsDiffer, match="round and round"):
        make(calling("top", "left", "right"))


@pytest.mark.parametrize("pin", ["base@9", "base@1"])
def test_a_pinned_version_that_is_not_there_is_told(make, developer, pin: str) -> None:
    base = make(calling("base"))
    if pin == "base@1":
        archive_function(actor=developer, function=base)
    with pytest.raises(UnknownDependency, match="base"):
        make(calling("top", "base"), dependencies=[pin])


@pytest.mark.parametrize("pin", ["base@", "base@0", "base@-1", "base@x", "base@1@2", "base@9999999999"])
def test_a_pin_that_names_no_version_is_refused(make, pin: str) -> None:
    make(calling("base"))
    with pytest.raises(BadPin):
        make(calling("top", "base"), dependencies=[pin])


def test_an_edit_that_says_nothing_of_pins_keeps_those_whose_functions_it_still_calls(make, save) -> None:
    for name in ("one", "two"):
        make(calling(name))
    top = make(calling("top", "one", "two"), dependencies=["one@1", "two@1"])
    assert save(top, calling("top", "two")).pins == {"two": 1}
    assert save(top, calling("top", "two"), dependencies=[]).pins == {}
