"""Who has no vote is kept by account, which stays when its member leaves. Sets that were asked about keep it in the request."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def take_accounts_of_members(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT set_config('selfsmith.workspace', 'every', true)")
        cursor.execute(
            "UPDATE packages_packageset asked SET author_ids = (SELECT coalesce(jsonb_agg(DISTINCT user_id), '[]') "
            "FROM workspaces_membership WHERE id = prompted_by_id OR asked.authors ? id::text) "
            "WHERE state IN ('queued', 'resolving')"
        )


class Migration(migrations.Migration):
    dependencies = [("packages", "0003_environments"), ("workspaces", "0001_initial")]

    operations = [
        migrations.AddField(model_name="packageset", name="author_ids", field=models.JSONField(default=list)),
        migrations.RunPython(take_accounts_of_members, migrations.RunPython.noop),
        migrations.RemoveField(model_name="packageset", name="authors"),
    ]
