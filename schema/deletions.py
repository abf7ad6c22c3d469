"""The mutations that delete: a run, a file, everything of the viewer."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import graphene

from accounts.viewer import Viewer
from schema.core import user_error
from schema.ids import key_of, to_global_id
from schema.payloads import Payload
from tasks import deletion
from tasks.exceptions import Problem, RefusalCode, Refused


class DeletePayload(graphene.ObjectType):
    """What was deleted, or why nothing was."""

    class Meta:
        interfaces = (Payload,)

    deleted_id = graphene.ID(description="The id of what is gone; null when it was refused.")


def _answer(deleted_id: str, delete: Callable[[], object]) -> dict[str, Any]:
    try:
        delete()
    except Refused as refused:
        return {"deleted_id": None, "errors": [user_error(each) for each in refused.problems]}
    return {"deleted_id": deleted_id, "errors": []}


def _delete_one(
    type_name: str, delete: Callable[[Viewer, UUID], None]
) -> Callable[..., dict[str, Any]]:
    def resolve(root: Any, info: Any, id: str) -> dict[str, Any]:
        viewer, key = info.context.signed_in, key_of(id, type_name)

        def act() -> None:
            deletion.check_may_delete(viewer)
            if key is None:
                message = f"There is no such {type_name.lower()}."
                raise Refused([Problem(message, RefusalCode.NOT_FOUND, ("id",))])
            delete(viewer, key)

        return _answer(id, act)

    return resolve


def _delete_my_data(root: Any, info: Any) -> dict[str, Any]:
    viewer = info.context.signed_in

    def act() -> None:
        deletion.check_may_delete(viewer)
        deletion.delete_data(viewer.user_id)

    return _answer(to_global_id("User", viewer.user_id), act)


def _field(description: str, resolver: Callable[..., Any], **arguments: Any) -> graphene.Field:
    return graphene.Field(
        graphene.NonNull(DeletePayload), args=arguments, resolver=resolver, description=description
    )


def _id(of: str) -> graphene.Argument:
    return graphene.Argument(graphene.NonNull(graphene.ID), description=f"The {of}'s global id.")


FIELDS = {
    "delete_run": _field(
        "Delete a run that is over, with its attempts, events and saved files.",
        _delete_one("Run", deletion.delete_run),
        id=_id("run"),
    ),
    "delete_file": _field(
        "Delete a file and its bytes; runs that name it show null in its place.",
        _delete_one("File", deletion.delete_file),
        id=_id("file"),
    ),
    "delete_my_data": _field(
        "Delete all runs and files of the viewer. Runs that are not over are stopped by it.",
        _delete_my_data,
    ),
}
