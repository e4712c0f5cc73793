"""Functions can be archived, versions tell when they were last active and pin what they call. Until now saving made active."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def take_the_time_of_saving(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT set_config('selfsmith.workspace', 'every', true)")
        cursor.execute("UPDATE functions_functionversion SET activated_at = created_at")


class Migration(migrations.Migration):
    dependencies = [("functions", "0009_imports_first")]

    operations = [
        migrations.AddField("function", "archived_at", models.DateTimeField(null=True)),
        migrations.AddField("functionversion", "note", models.CharField(blank=True, default="", max_length=200)),
        migrations.AddField("functionversion", "changes", models.CharField(blank=True, default="", max_length=200)),
        migrations.AddField("functionversion", "pins", models.JSONField(default=dict)),
        migrations.AddField("functionversion", "activated_at", models.DateTimeField(null=True)),
        migrations.AlterField(
            "functionversion",
            "derived_from",
            models.ForeignKey(
                blank=True, null=True, on_delete=models.deletion.RESTRICT, related_name="+", to="functions.functionversion"
            ),
        ),
        migrations.AddIndex(
            "functionversion", models.Index(fields=["function", "-id"], name="functions_version_newest")
        ),
        migrations.RunPython(take_the_time_of_saving, migrations.RunPython.noop),
    ]
