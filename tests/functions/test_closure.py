"""The dependency graph: order, cycles, unknown names, and one environment for all."""

from uuid import uuid4

import pytest

from apps.functions import closure as closure_module
from apps.functions.closure import ClosureTooLarge, DependencyCycle, UnknownDependency, resolve_closure
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
