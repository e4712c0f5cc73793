"""Installs in PostgreSQL what the models declare, so that a bug in Python cannot break it.

For every TenantModel: row level security with FORCE, `UNIQUE (workspace_id, id)`, a composite foreign key for every
reference to another TenantModel, and the triggers of its `Tenancy` class. Idempotent: compares with the catalogue,
adds what is missing and drops what is no longer declared. Works on names that begin with `tenancy_` only.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig, apps
from django.db import connection, models

from apps.core.tenancy import TenantModel

APP_ROLE = "selfsmith_app"
SETTING = "current_setting('selfsmith.workspace', true)"

FUNCTIONS = """
CREATE OR REPLACE FUNCTION tenancy_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The arguments name references that are emptied when what they point to is removed: that alone is no change.
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - TG_ARGV = to_jsonb(OLD) - TG_ARGV AND NOT EXISTS (
        SELECT 1 FROM unnest(TG_ARGV) AS name
        WHERE to_jsonb(NEW) -> name IS DISTINCT FROM to_jsonb(OLD) -> name AND to_jsonb(NEW) -> name <> 'null'::jsonb
    ) AND to_jsonb(NEW) <> to_jsonb(OLD) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % refused: rows there are never changed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE OR REPLACE FUNCTION tenancy_refuse_columns() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY TG_ARGV LOOP
        IF to_jsonb(OLD) -> name IS DISTINCT FROM to_jsonb(NEW) -> name THEN
            RAISE EXCEPTION '%.% never changes', TG_TABLE_NAME, name USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;
"""


@dataclass(frozen=True)
class Rule:
    """One thing that the database enforces: its name in the catalogue and how it is added and dropped."""

    table: str
    name: str
    kind: str  # policy | constraint | trigger
    body: str

    def add_sql(self) -> str:
        if self.kind == "policy":
            return (
                f'ALTER TABLE "{self.table}" ENABLE ROW LEVEL SECURITY; ALTER TABLE "{self.table}" FORCE ROW LEVEL SECURITY; '
                f'CREATE POLICY {self.name} ON "{self.table}" {self.body}'
            )
        if self.kind == "constraint":
            return f'ALTER TABLE "{self.table}" ADD CONSTRAINT {self.name} {self.body}'
        return f"CREATE TRIGGER {self.name} BEFORE {self.body.format(table=self.table)}"

    def drop_sql(self) -> str:
        if self.kind == "constraint":
            return f'ALTER TABLE "{self.table}" DROP CONSTRAINT {self.name} CASCADE'
        return f'DROP {self.kind.upper()} {self.name} ON "{self.table}"'


def tenant_models() -> list[type[TenantModel]]:
    return [model for model in apps.get_models() if issubclass(model, TenantModel)]


def declared_rules() -> list[Rule]:
    """Everything that the models declare; uniqueness first, since the composite keys refer to it."""
    rules = [rule for model in tenant_models() for rule in _rules_of(model)]
    return sorted(rules, key=lambda rule: (rule.kind != "policy", "UNIQUE" not in rule.body, rule.name))


def installed_rules() -> set[tuple[str, str, str]]:
    """(table, name, kind) of all that the catalogue holds under the names that this module gives."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename, policyname, 'policy' FROM pg_policies WHERE policyname LIKE 'tenancy\\_%%' "
            "UNION ALL SELECT conrelid::regclass::text, conname, 'constraint' FROM pg_constraint "
            "WHERE conname LIKE 'tenancy\\_%%' "
            "UNION ALL SELECT tgrelid::regclass::text, tgname, 'trigger' FROM pg_trigger "
            "WHERE tgname LIKE 'tenancy\\_%%' AND NOT tgisinternal"
        )
        return {(table.strip('"'), name, kind) for table, name, kind in cursor.fetchall()}


def install() -> None:
    """Make the catalogue equal to the declarations, and give the application's role its rights."""
    declared, present = declared_rules(), installed_rules()
    wanted = {(rule.table, rule.name, rule.kind) for rule in declared}
    with connection.cursor() as cursor:
        cursor.execute(FUNCTIONS)
        for table, name, kind in sorted(present - wanted):
            cursor.execute(Rule(table, name, kind, "").drop_sql())
        for rule in declared:
            if (rule.table, rule.name, rule.kind) not in present:
                cursor.execute(rule.add_sql())
        _grant(cursor)


def install_after_migrate(*, app_config: AppConfig, **signal: Any) -> None:
    """Once a migrate run, after the last app, when every table stands."""
    last = [config for config in apps.get_app_configs() if config.models_module][-1]  # the others send no signal
    if app_config is last and not signal.get("plan_only"):
        install()


def _grant(cursor: Any) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP_ROLE])
    if cursor.fetchone():
        cursor.execute(
            f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}; "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP_ROLE}; "
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {APP_ROLE}"
        )


def _rules_of(model: type[TenantModel]) -> Iterator[Rule]:
    table = model._meta.db_table
    # Compared as a uuid: of the column as text the planner knows no statistics, takes one row in a hundred for the workspace's,
    # and reads whole tables for the first page of a list.
    condition = f"(workspace_id = NULLIF(NULLIF({SETTING}, ''), 'every')::uuid OR {SETTING} = 'every')"
    yield _rule(table, "policy", f"USING {condition} WITH CHECK {condition}")
    yield _rule(table, "constraint", "UNIQUE (workspace_id, id)")
    for field in model._meta.concrete_fields:
        target = field.related_model
        if isinstance(field, models.ForeignKey) and isinstance(target, type) and issubclass(target, TenantModel):
            yield _rule(
                table,
                "constraint",
                f'FOREIGN KEY (workspace_id, "{field.column}") REFERENCES "{target._meta.db_table}" (workspace_id, id) '
                "DEFERRABLE INITIALLY DEFERRED",
            )
    yield from _triggers_of(model, table)


def _triggers_of(model: type[TenantModel], table: str) -> Iterator[Rule]:
    tenancy = model.Tenancy
    emptied = ", ".join(f"'{column}'" for column in _emptied_references(model))
    if getattr(tenancy, "append_only", False):
        yield _rule(table, "trigger", f'UPDATE ON "{{table}}" FOR EACH ROW EXECUTE FUNCTION tenancy_refuse({emptied})')
    if getattr(tenancy, "permanent", False):
        yield _rule(table, "trigger", f'UPDATE OR DELETE ON "{{table}}" FOR EACH ROW EXECUTE FUNCTION tenancy_refuse({emptied})')
    if immutable := getattr(tenancy, "immutable", ()):
        frozen = [field.column for field in model._meta.concrete_fields if field.name in immutable or field.attname in immutable]
        columns = ", ".join(f"'{column}'" for column in frozen)
        yield _rule(table, "trigger", f'UPDATE ON "{{table}}" FOR EACH ROW EXECUTE FUNCTION tenancy_refuse_columns({columns})')
    if terminal := getattr(tenancy, "terminal", None):
        column, states = terminal
        listed = ", ".join(f"'{state}'" for state in states)
        yield _rule(
            table,
            "trigger",
            f'UPDATE ON "{{table}}" FOR EACH ROW WHEN (OLD."{column}" IN ({listed})) EXECUTE FUNCTION tenancy_refuse({emptied})',
        )


def _emptied_references(model: type[TenantModel]) -> list[str]:
    """Columns that Django sets to NULL when the row that they refer to is removed."""
    fields = (field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey))
    return [field.column for field in fields if field.remote_field.on_delete is models.SET_NULL]


def _rule(table: str, kind: str, body: str) -> Rule:
    """The name holds a digest of the body, so that a changed declaration replaces what is installed."""
    digest = hashlib.sha256(f"{table}|{body}".encode()).hexdigest()[:10]
    return Rule(table, f"tenancy_{table[:40]}_{digest}", kind, body)
