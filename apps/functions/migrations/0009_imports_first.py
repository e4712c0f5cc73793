from django.db import migrations, models


class Migration(migrations.Migration):
    """Imports with the run, as it was, unless a version says otherwise."""

    dependencies = [("functions", "0008_author")]

    operations = [
        migrations.AddField(
            model_name="functionversion",
            name="imports_first",
            field=models.BooleanField(default=False),
        ),
    ]
