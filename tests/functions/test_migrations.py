"""An installation of before keeps its authors when it is brought up to date."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations import CreateModel

from apps.core.database import Rule, install, installed_rules
from apps.core.tenancy import every_workspace, scope
from apps.functions.models import FunctionVersion
from apps.functions.services import create_function
from apps.packages.models import PackageSet
from apps.packages.services import require_packages

BEFORE = [("functions", "0007_written_by_token"), ("packages", "0003_environments")]


def forget_todays_triggers() -> None:
    """They name columns that did not exist then."""
    with connection.cursor() as cursor:
        for table, name, kind in installed_rules():
            if kind == "trigger" and table in ("functions_functionversion", "packages_packageset"):
                cursor.execute(Rule(table, name, kind, "").drop_sql())


def forget_policies_of_tables_that_go(executor: MigrationExecutor) -> None:
    """They hold the columns that they compare, in tables that did not exist then."""
    created = {
        f"{migration.app_label}_{operation.name.lower()}"
        for migration, _ in executor.migration_plan(BEFORE)
        for operation in migration.operations
        if isinstance(operation, CreateModel)
    }
    with connection.cursor() as cursor:
        for table, name, kind in installed_rules():
            if kind == "policy" and table in created:
                cursor.execute(Rule(table, name, kind, "").drop_sql())


def bring_up_to_date() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    install()


@pytest.fixture
def before(transactional_cast: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """Tables as they were, holding what the code of today has made of two functions and a set of packages."""
    cast = transactional_cast
    with scope(cast.acme.pk):
        create_function(actor=cast.developer, source="def stays() -> None: ...")
        create_function(actor=cast.admin, source="def left() -> None: ...")
        require_packages(actor=cast.developer, requirements=["leaf"], reason="To see.", prompted_by=cast.owner)
    try:
        executor = MigrationExecutor(connection)
        forget_policies_of_tables_that_go(executor)
        executor.migrate(BEFORE)
        forget_todays_triggers()
        yield cast
    finally:
        bring_up_to_date()


def test_authors_become_accounts_and_who_had_left_is_unknown(before: SimpleNamespace) -> None:
    with every_workspace(reason="as the code of before stored it"), connection.cursor() as cursor:
        cursor.execute("UPDATE functions_functionversion SET created_by_id = %s WHERE entry = 'stays'", [before.developer.pk])
        cursor.execute("UPDATE packages_packageset SET authors = jsonb_build_array(%s::text)", [str(before.admin.pk)])
    bring_up_to_date()
    with scope(before.acme.pk):
        authors = dict(FunctionVersion.objects.values_list("entry", "author"))
        assert authors == {"stays": before.developer.user_id, "left": None}
        assert PackageSet.objects.get().author_ids == sorted([str(before.owner.user_id), str(before.admin.user_id)])


def test_versions_of_before_were_active_when_they_were_saved(before: SimpleNamespace) -> None:
    bring_up_to_date()
    with scope(before.acme.pk):
        versions = list(FunctionVersion.objects.all())
        assert [version.activated_at == version.created_at for version in versions] == [True, True]
        assert not any(version.is_draft or version.pins or version.examples for version in versions)
