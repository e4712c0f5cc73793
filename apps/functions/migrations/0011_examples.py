"""Versions carry examples, which a function may want to be met before one becomes active."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("functions", "0010_activation_and_archive")]

    operations = [
        migrations.AddField("function", "needs_examples", models.BooleanField(default=False)),
        migrations.AddField("functionversion", "examples", models.JSONField(default=list)),
    ]
