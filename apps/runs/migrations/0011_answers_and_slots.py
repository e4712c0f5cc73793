"""Runs can be answered from earlier ones, and share slots of which so many are taken at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0010_model_calls")]

    operations = [
        migrations.AddField("run", "answer_key", models.CharField(blank=True, default="", max_length=64)),
        migrations.AddField("run", "answered_from", models.UUIDField(editable=False, null=True)),
        migrations.AddField("run", "slot", models.CharField(blank=True, default="", max_length=64)),
        migrations.AddField("run", "slots", models.PositiveSmallIntegerField(default=0)),
        migrations.AddIndex(
            "run",
            models.Index(
                condition=models.Q(("answer_key", ""), _negated=True) & models.Q(("state", "succeeded")),
                fields=["workspace", "answer_key", "-id"],
                name="runs_run_answer",
            ),
        ),
        migrations.AddIndex(
            "run",
            models.Index(
                condition=models.Q(("slot", ""), _negated=True) & models.Q(("state", "running")),
                fields=["workspace", "slot"],
                name="runs_run_slot",
            ),
        ),
    ]
