from django.db import migrations, models

from tasks.newest import NewestIndex


class Migration(migrations.Migration):
    dependencies = [("tasks", "0004_admin_lists")]

    operations = [
        migrations.AddIndex(
            model_name="run",
            index=NewestIndex(fields=["owner", "-id"], name="run_of_owner"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=NewestIndex(fields=["owner", "task", "-id"], name="run_of_owner_task"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=NewestIndex(
                condition=models.Q(("status", "SUCCEEDED"), _negated=True),
                fields=["owner", "status", "-id"],
                name="run_of_owner_status",
            ),
        ),
        migrations.RemoveIndex(model_name="run", name="run_owner"),
        migrations.RemoveIndex(model_name="run", name="run_owner_task"),
        migrations.RemoveIndex(model_name="run", name="run_owner_status"),
    ]
