"""Runs that succeeded below one that did not can be undone, by a function that their version names."""

import django.db.models.deletion
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    dependencies = [("runs", "0012_streamed_items"), ("workspaces", "0001_initial")]

    operations = [
        migrations.AddField("run", "undone_by", models.CharField(blank=True, default="", max_length=100)),
        migrations.AddField("run", "undoes", models.UUIDField(editable=False, null=True)),
        migrations.CreateModel(
            name="Compensation",
            fields=[
                ("id", models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("state", models.CharField(default="waiting", max_length=10)),
                ("reason", models.TextField(blank=True, default="")),
                (
                    "of",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="compensation", to="runs.run"
                    ),
                ),
                (
                    "root",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="compensations", to="runs.run"
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="runs.run"
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
                "constraints": [models.UniqueConstraint(fields=["root", "number"], name="runs_compensation_number_once")],
            },
        ),
    ]
