from django.db import migrations, models


class Migration(migrations.Migration):
    """A box per run, as it was, unless a version says otherwise."""

    dependencies = [("functions", "0004_logging")]

    operations = [
        migrations.AddField(
            model_name="functionversion",
            name="isolation",
            field=models.CharField(choices=[("run", "A box per run"), ("function", "A kept box")], default="run", max_length=10),
        ),
    ]
