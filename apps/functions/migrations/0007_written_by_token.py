"""A version that was saved with a token says so. The audit trail knows it of those that stand already."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def take_from_the_audit_trail(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT set_config('selfsmith.workspace', 'every', true)")
        cursor.execute("ALTER TABLE functions_functionversion DISABLE TRIGGER USER")  # an origin never changes, but here
        cursor.execute(
            "UPDATE functions_functionversion SET origin = 'token' WHERE origin = 'person' AND id::text IN ("
            "SELECT subject_id FROM audit_auditrecord WHERE action = 'function.version_saved' AND by_token)"
        )
        cursor.execute("ALTER TABLE functions_functionversion ENABLE TRIGGER USER")


class Migration(migrations.Migration):
    dependencies = [("functions", "0006_capabilities"), ("audit", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="functionversion",
            name="origin",
            field=models.CharField(
                choices=[("person", "Person"), ("token", "Token"), ("agent", "Agent"), ("pack", "Pack")], max_length=10
            ),
        ),
        migrations.RunPython(take_from_the_audit_trail, migrations.RunPython.noop),
    ]
