"""The Celery app: early acknowledgement, no result backend, JSON only; the rows do the rest."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

from celery import Celery, signals
from celery.app.amqp import AMQP
from django.conf import settings
from kombu import Connection, Queue

from tasks.broker import declared_queues, queue_names
from tasks.options import DEFAULT_QUEUE

_REDIS = {
    "visibility_timeout": 300,
    "unacked_restore_throttle": 1,
    "socket_timeout": 10,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "global_keyprefix": "downbeat:",
    "queue_order_strategy": "priority",  # in the order in which a worker names its queues
}
# Between two tries of a worker to reach a broker that is away.
_PAUSE = {"interval_start": 2, "interval_step": 0, "interval_max": 2}
_AMQP = {"read_timeout": 10, "write_timeout": 10}


def _configuration() -> dict[str, Any]:
    is_amqp = settings.BROKER_URL.startswith("amqp")
    return {
        "broker_url": settings.BROKER_URL,
        "broker_transport_options": _AMQP if is_amqp else _REDIS,
        "broker_connection_timeout": 2,
        "broker_pool_acquire_timeout": 1,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # RabbitMQ gives the knocks of a worker that is silent for two of these to another one.
        "broker_heartbeat": max(1, round(settings.HEARTBEAT_SECONDS)),
        # No exchange is named: knocks go through the default one, which routes by queue name and
        # has no binding to lose.
        "task_queues": [_queue(name, is_amqp) for name in queue_names(declared_queues())],
        "task_default_queue": queue_names([DEFAULT_QUEUE])[1],
        "task_acks_late": False,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_concurrency": settings.WORKER_PROCESSES,
        "worker_prefetch_multiplier": 1,
        # A knock waits in the broker, in order of priority, not behind a long task of one worker.
        # Only Redis can do so; with RabbitMQ a worker holds as many knocks as it has slots.
        "worker_disable_prefetch": not is_amqp,
        "worker_max_tasks_per_child": 1_000,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "CELERY_DB_REUSE_MAX": 10_000,  # keep the child's database connection between runs
    }


def _queue(name: str, is_amqp: bool) -> Queue:
    arguments = {"x-queue-type": "quorum"} if is_amqp else None
    return Queue(name, routing_key=name, queue_arguments=arguments)


class _Returning(Connection):
    """Celery would wait longer after each refusal, up to 30 s: runs would wait for as long."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super().ensure_connection(*args, **{**_PAUSE, **options})


class _Amqp(AMQP):
    Connection = _Returning


app = Celery("downbeat", amqp=_Amqp, set_as_current=True)
app.config_from_object(_configuration())


@signals.setup_logging.connect
def _leave_logging_alone(**_: Any) -> None:
    """Whoever listens to this signal has set logging up: Django's settings have."""
