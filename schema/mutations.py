"""What can be done, put together: uploads, starts one by one and many at once, and steering."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import graphene

from schema import bulk, credentials, deletions, starts, steering, uploads
from schema.run import show

_FIELDS = {
    **uploads.FIELDS,
    **bulk.FIELDS,
    **steering.FIELDS,
    **deletions.FIELDS,
    **credentials.FIELDS,
    **starts.FIELDS,
}


def _once(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """The same resolver, asked once even when the operation is executed again after a wait."""

    @wraps(resolve)
    def resolve_once(root: Any, info: Any, **arguments: Any) -> Any:
        waits = info.context.waits
        payload = waits.once(info.path.key, lambda: resolve(root, info, **arguments))
        if waits.fresh is None or payload.get("run") is None:
            return payload
        run = waits.now(payload["run"])
        show(info, [run])
        return {**payload, "run": run}

    return resolve_once


for _field in _FIELDS.values():
    _field.reset_counter()  # graphene orders by when a field was made: by who is imported first
    _field.resolver = _once(_field.resolver)

Mutation = type(
    "Mutation",
    (graphene.ObjectType,),
    {**_FIELDS, "__doc__": "Everything that can be done."},
)
