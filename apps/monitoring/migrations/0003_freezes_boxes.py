from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0002_alerts")]

    operations = [
        migrations.AddField(model_name="processreport", name="freezes_boxes", field=models.BooleanField(default=True)),
    ]
