"""Tokens get scopes, and some a list of functions. Those that are there keep what they could."""

from django.db import migrations, models

import apps.workspaces.models


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0001_initial")]

    operations = [
        migrations.AddField("apitoken", "scopes", models.JSONField(default=apps.workspaces.models.every_scope)),
        migrations.AddField("apitoken", "functions", models.JSONField(blank=True, default=list)),
    ]
