"""A version's author is an account, which stays when its member leaves the workspace.

Authors who had left before this are not known any more: names are no proof, since accounts can be renamed.
"""

import django.db.models.deletion
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def take_accounts_of_members(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT set_config('selfsmith.workspace', 'every', true)")
        cursor.execute(
            "UPDATE functions_functionversion SET author_id = member.user_id "
            "FROM workspaces_membership member WHERE member.id = created_by_id"
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # the next step alters the table


class Migration(migrations.Migration):
    dependencies = [
        ("functions", "0007_written_by_token"),
        ("workspaces", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="functionversion",
            name="author",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.RunPython(take_accounts_of_members, migrations.RunPython.noop),
        migrations.RemoveField(model_name="functionversion", name="created_by"),
    ]
