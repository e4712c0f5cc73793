from django.db import migrations, models


class Migration(migrations.Migration):
    """Whose turn it is within a workspace is found by an index that nothing else can stand in for."""

    dependencies = [("runs", "0006_capabilities")]

    operations = [
        migrations.RemoveIndex(model_name="run", name="runs_run_lane"),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("state", "queued")), fields=["workspace", "created_at", "id"], name="runs_run_line"
            ),
        ),
    ]
