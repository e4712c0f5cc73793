from django.db import migrations, models


class Migration(migrations.Migration):
    """What failed lately is on every member's home page: a hundred thousand runs were read for it (measured)."""

    dependencies = [("runs", "0007_line")]

    operations = [
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("state__in", ["failed", "timed_out", "lost"]), ("task_id__isnull", True)),
                fields=["workspace", "-finished_at"],
                name="runs_run_failed",
            ),
        ),
    ]
