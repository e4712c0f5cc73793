import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A pack's request grants hosts and secrets to several functions."""

    dependencies = [("approvals", "0001_initial"), ("functions", "0011_examples")]

    operations = [
        migrations.AlterField(
            model_name="capabilityrequest",
            name="request",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.RESTRICT, related_name="capabilities", to="approvals.approvalrequest"
            ),
        ),
    ]
