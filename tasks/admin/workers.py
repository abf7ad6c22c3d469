"""Workers in the admin: which live, what they take, how busy they are."""

from django.contrib import admin
from django.db.models import BooleanField, Exists, OuterRef, QuerySet
from django.http import HttpRequest

from tasks.admin.base import ReadOnlyAdmin, number
from tasks.models import Worker


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = (
        *("name", "is_living", "shown_load", "shown_tasks"),
        *("claimed_at", "started_at", "heartbeat_at"),
    )
    sortable_by = ("heartbeat_at",)
    ordering = ("-heartbeat_at",)
    actions = ("delete_dead",)
    fields = ("id", *list_display)
    readonly_fields = ("is_living", "shown_load", "shown_tasks")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        living = Worker.objects.alive().filter(pk=OuterRef("pk"))
        return Worker.objects.annotate(lives=Exists(living, output_field=BooleanField()))

    @admin.action(description="Delete those that are dead", permissions=["remove"])
    def delete_dead(self, request: HttpRequest, rows: QuerySet[Worker]) -> None:
        """A row that comes back to life is written anew by its worker."""
        keys = self.chosen(rows)
        living = Worker.objects.alive().values("pk")
        gone, _ = Worker.objects.filter(pk__in=keys).exclude(pk__in=living).delete()
        left = len(keys) - gone
        done = [f"{number(gone, 'worker')} deleted"] if gone else []
        self.tell(request, done, [f"{number(left, 'worker')} stayed: alive"] if left else [])

    @admin.display(description="alive", boolean=True)
    def is_living(self, worker: Worker) -> bool:
        """Whether its last sign of life is recent, by the database's clock."""
        return bool(worker.lives)  # type: ignore[attr-defined]

    @admin.display(description="busy")
    def shown_load(self, worker: Worker) -> str:
        return f"{worker.busy} of {worker.slots}"

    @admin.display(description="tasks")
    def shown_tasks(self, worker: Worker) -> str:
        return ", ".join(worker.tasks)
