"""Runs say what started them, and which run they repeat; lists of them are filtered by index; things are done with many."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import apps.core.fields
import apps.core.ids

TRIGGERS = [
    ("person", "Person"),
    ("api", "Program"),
    ("task", "Task"),
    ("run", "Another run"),
    ("rule", "Rule"),
    ("schedule", "Schedule"),
]
STATEMENT = """
UPDATE runs_run SET trigger = CASE
    WHEN parent_id IS NOT NULL THEN 'run'
    WHEN task_id IS NOT NULL THEN 'task'
    WHEN EXISTS (
        SELECT FROM triggers_delivery delivery JOIN triggers_event event ON event.id = delivery.event_id
        WHERE delivery.run_id = runs_run.id AND event.type LIKE 'schedule.%' AND delivery.kind = 'match'
    ) THEN 'schedule'
    WHEN EXISTS (SELECT FROM triggers_delivery delivery WHERE delivery.run_id = runs_run.id) THEN 'rule'
    WHEN id::text IN (SELECT subject_id FROM audit_auditrecord WHERE action = 'run.started' AND by_token) THEN 'api'
    ELSE 'person'
END
"""


def tell_what_started_earlier_runs(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Runs that have ended never change, but here."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT set_config('selfsmith.workspace', 'every', true)")
        cursor.execute("ALTER TABLE runs_run DISABLE TRIGGER USER")
        cursor.execute(STATEMENT)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is still to be checked would keep the table from being altered
        cursor.execute("ALTER TABLE runs_run ENABLE TRIGGER USER")


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0013_compensations"),
        ("audit", "0001_initial"),
        ("triggers", "0001_initial"),
        ("workspaces", "0001_initial"),
    ]

    operations = [
        migrations.AddField("run", "trigger", models.CharField(choices=TRIGGERS, default="person", max_length=10)),
        migrations.RunPython(tell_what_started_earlier_runs, migrations.RunPython.noop),
        migrations.AddField(
            "run",
            "restarted_from",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="restarts", to="runs.run"
            ),
        ),
        migrations.AddIndex("run", models.Index(fields=["workspace", "state", "-id"], name="runs_run_state")),
        migrations.AddIndex("run", models.Index(fields=["workspace", "asked_by", "-id"], name="runs_run_person")),
        migrations.AddIndex("run", models.Index(fields=["workspace", "trigger", "-id"], name="runs_run_trigger")),
        migrations.CreateModel(
            name="BulkAction",
            fields=[
                ("id", models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("state", apps.core.fields.StateField(max_length=24)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("token", models.PositiveIntegerField(default=0)),
                ("leased_by", models.CharField(blank=True, default="", max_length=200)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("losses", models.PositiveSmallIntegerField(default=0)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("kind", models.CharField(choices=[("cancel", "Cancel"), ("rerun", "Run again")], max_length=10)),
                ("run_ids", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), size=None)),
                ("filter", models.JSONField(default=dict)),
                ("with_active_version", models.BooleanField(default=False)),
                ("by_token", models.BooleanField(default=False)),
                ("count", models.PositiveIntegerField()),
                ("position", models.PositiveIntegerField(default=0)),
                ("failed_count", models.PositiveIntegerField(default=0)),
                ("failures", models.JSONField(default=list)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("request_digest", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="workspaces.membership",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="workspaces.workspace",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "asked_by", "idempotency_key"), name="runs_bulk_idempotency"
                    ),
                ],
                "indexes": [
                    models.Index(fields=["workspace", "-id"], name="runs_bulk_newest"),
                    models.Index(
                        condition=models.Q(("state", "done"), _negated=True), fields=["state", "id"], name="runs_bulk_open"
                    ),
                ],
            },
        ),
    ]
