from django.db import migrations, models

from tasks.newest import NewestIndex
from tasks.online import AddIndexOnline, RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tasks", "0004_admin_lists")]

    operations = [
        AddIndexOnline(
            model_name="run",
            index=NewestIndex(fields=["owner", "-id"], name="run_of_owner"),
        ),
        AddIndexOnline(
            model_name="run",
            index=NewestIndex(fields=["owner", "task", "-id"], name="run_of_owner_task"),
        ),
        AddIndexOnline(
            model_name="run",
            index=NewestIndex(
                condition=models.Q(("status", "SUCCEEDED"), _negated=True),
                fields=["owner", "status", "-id"],
                name="run_of_owner_status",
            ),
        ),
        RemoveIndexOnline(model_name="run", name="run_owner"),
        RemoveIndexOnline(model_name="run", name="run_owner_task"),
        RemoveIndexOnline(model_name="run", name="run_owner_status"),
    ]
