import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    """Language models that runs' code asked, and what that counts for."""

    dependencies = [("runs", "0009_example_run"), ("workspaces", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="ModelCall",
            fields=[
                ("id", models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("attempt", models.PositiveIntegerField()),
                ("kind", models.CharField(choices=[("complete", "a reply"), ("embed", "vectors")], max_length=10)),
                ("model_name", models.CharField(max_length=100)),
                ("state", models.CharField(
                    choices=[("asked", "Asked"), ("answered", "Answered"), ("failed", "Failed")], default="asked", max_length=10,
                )),
                ("tokens", models.PositiveBigIntegerField()),
                ("input_tokens", models.PositiveBigIntegerField(null=True)),
                ("output_tokens", models.PositiveBigIntegerField(null=True)),
                ("cost_usd", models.DecimalField(decimal_places=8, max_digits=14, null=True)),
                ("error", models.TextField(blank=True, default="")),
                ("asked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                ("run", models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="model_calls", to="runs.run",
                )),
                ("workspace", models.ForeignKey(
                    editable=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace",
                )),
            ],
            options={"abstract": False},
        ),
    ]
