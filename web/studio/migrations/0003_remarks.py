from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("studio", "0002_sizes")]

    operations = [
        migrations.AddField("job", "sign", models.CharField(blank=True, max_length=16)),
        migrations.AddField("job", "misfit", models.BooleanField(default=False)),
    ]
