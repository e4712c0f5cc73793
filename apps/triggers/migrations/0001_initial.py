import apps.core.ids
import apps.triggers.states
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('functions', '0008_author'),
        ('runs', '0008_failed'),
        ('workspaces', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('type', models.CharField(max_length=100)),
                ('source', models.CharField(max_length=300)),
                ('subject', models.CharField(blank=True, default='', max_length=300)),
                ('time', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('data', models.JSONField(default=dict)),
                ('depth', models.PositiveSmallIntegerField(default=0)),
                ('key', models.CharField(max_length=200, null=True)),
                ('emitted_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='workspaces.membership')),
                ('function', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='functions.function')),
                ('replay_of', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='triggers.event')),
                ('root', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='triggers.event')),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='events', to='runs.run')),
                ('workspace', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
        ),
        migrations.CreateModel(
            name='Rule',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('event_type', models.CharField(max_length=100)),
                ('condition', models.TextField(blank=True, default='')),
                ('arguments', models.JSONField(default=dict)),
                ('most_per_minute', models.PositiveIntegerField(default=60)),
                ('most_running', models.PositiveIntegerField(default=10)),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('error_handler', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rules_handled', to='functions.function')),
                ('function', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rules_about', to='functions.function')),
                ('owner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='workspaces.membership')),
                ('target', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rules', to='functions.function')),
                ('workspace', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(max_length=24)),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('token', models.PositiveIntegerField(default=0)),
                ('leased_by', models.CharField(blank=True, default='', max_length=200)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('not_before', models.DateTimeField(blank=True, null=True)),
                ('losses', models.PositiveSmallIntegerField(default=0)),
                ('cancel_requested_at', models.DateTimeField(blank=True, null=True)),
                ('kind', models.CharField(choices=[('match', 'match'), ('fire', 'fire'), ('error', 'error')], default=apps.triggers.states.DeliveryKind['MATCH'], max_length=5)),
                ('reason', models.TextField(blank=True, default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('finished_at', models.DateTimeField(null=True)),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='runs.run')),
                ('workspace', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='triggers.event')),
                ('root', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='chain', to='triggers.event')),
                ('rule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='triggers.rule')),
            ],
        ),
        migrations.CreateModel(
            name='Schedule',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=60)),
                ('cron', models.CharField(max_length=100)),
                ('time_zone', models.CharField(max_length=60)),
                ('catch_up', models.CharField(choices=[('skip', 'Nothing'), ('last', 'The last time only'), ('all', 'Each of them, ten at most')], default='last', max_length=4)),
                ('is_active', models.BooleanField(default=True)),
                ('next_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='workspaces.membership')),
                ('workspace', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['workspace', '-id'], name='triggers_event_newest'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['workspace', 'type', '-id'], name='triggers_event_type'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.UniqueConstraint(condition=models.Q(('key__isnull', False)), fields=('workspace', 'key'), name='triggers_event_once'),
        ),
        migrations.AddIndex(
            model_name='rule',
            index=models.Index(condition=models.Q(('is_active', True)), fields=['workspace', 'event_type', 'function'], name='triggers_rule_listening'),
        ),
        migrations.AddConstraint(
            model_name='rule',
            constraint=models.UniqueConstraint(fields=('workspace', 'name'), name='triggers_rule_name_once'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state__in', ['started', 'skipped', 'refused', 'failed']), _negated=True), fields=['state', 'id'], name='triggers_delivery_open'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['workspace'], name='triggers_delivery_queue'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['rule', '-id'], name='triggers_delivery_rule'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'started')), fields=['rule', 'finished_at'], name='triggers_delivery_rate'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('event', 'rule', 'kind'), name='triggers_delivery_once'),
        ),
        migrations.AddIndex(
            model_name='schedule',
            index=models.Index(condition=models.Q(('is_active', True)), fields=['next_at'], name='triggers_schedule_due'),
        ),
        migrations.AddConstraint(
            model_name='schedule',
            constraint=models.UniqueConstraint(fields=('workspace', 'name'), name='triggers_schedule_name_once'),
        ),
    ]
