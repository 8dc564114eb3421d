from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("studio", "0001_initial")]

    operations = [
        migrations.RenameField("job", "step", "percent"),
        migrations.RenameField("job", "size", "width"),
        migrations.AlterField("job", "width", models.PositiveIntegerField(null=True)),
        migrations.AddField("job", "height", models.PositiveIntegerField(null=True)),
        migrations.RunSQL("UPDATE studio_job SET height = width", migrations.RunSQL.noop),
        migrations.AddField("job", "given_width", models.PositiveIntegerField(default=0)),
        migrations.AddField("job", "given_height", models.PositiveIntegerField(default=0)),
        migrations.AddField("job", "kept_width", models.PositiveIntegerField(default=0)),
        migrations.AddField("job", "kept_height", models.PositiveIntegerField(default=0)),
    ]
