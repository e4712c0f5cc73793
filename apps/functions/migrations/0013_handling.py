"""Versions say how their runs are handled; functions since when answers of earlier runs may be given again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("functions", "0012_one_request_for_several")]

    operations = [
        migrations.AddField("functionversion", "handling", models.JSONField(default=dict)),
        migrations.AddField("function", "answers_since", models.DateTimeField(null=True)),
    ]
