"""Asking for a place to send a file's bytes to."""

from typing import Any
from urllib.parse import quote

import graphene

from schema.core import File
from schema.ids import to_global_id
from schema.payloads import Payload, errors_of
from schema.scalars import URL, BigInt, DateTime
from tasks import files, models
from tasks.exceptions import Refused


class CreateUploadInput(graphene.InputObjectType):
    """The file that will be sent."""

    name = graphene.String(required=True, description="Its name, without a folder.")
    size = BigInt(required=True, description="Its bytes, exactly.")
    content_type = graphene.String(required=True, description="Its media type, such as text/csv.")
    sha256 = graphene.String(description="Its digest in hexadecimal, to be checked.")


class Header(graphene.ObjectType):
    """A header to send."""

    name = graphene.String(required=True, description="Its name.")
    value = graphene.String(required=True, description="Its value.")


class Upload(graphene.ObjectType):
    """How to send a file's bytes: one request, no credential but the signed URL."""

    id = graphene.ID(required=True, description="The file's id, for the input of a task.")
    method = graphene.String(required=True, description="The HTTP method.")
    url = URL(required=True, description="Where to send the bytes.")
    headers = graphene.Field(
        graphene.List(graphene.NonNull(Header)), required=True, description="Headers to send."
    )
    expires_at = DateTime(required=True, description="Until when.")
    file = graphene.Field(File, required=True, description="The file, not ready yet.")


class CreateUploadPayload(graphene.ObjectType):
    """The upload, or why there is none."""

    class Meta:
        interfaces = (Payload,)

    upload = graphene.Field(Upload, description="Where to send the bytes; null when refused.")


def _upload(file: models.File, base_url: str) -> Upload:
    signature = quote(files.upload_signature(file), safe="")
    return Upload(
        id=to_global_id("File", file.pk),
        method="PUT",
        url=f"{base_url}/uploads/{file.pk}?signature={signature}",
        headers=[Header(name="Content-Type", value=file.content_type)],
        expires_at=file.upload_until,
        file=file,
    )


def _create_upload(root: Any, info: Any, input: Any) -> dict[str, Any]:
    viewer = info.context.signed_in
    try:
        file = files.create_upload(
            viewer,
            name=input["name"],
            size=input["size"],
            content_type=input["content_type"],
            sha256=input.get("sha256"),
        )
    except Refused as refused:
        return {"upload": None, "errors": errors_of(refused)}
    return {"upload": _upload(file, info.context.base_url), "errors": []}


FIELDS: dict[str, Any] = {
    "create_upload": graphene.Field(
        graphene.NonNull(CreateUploadPayload),
        input=graphene.Argument(graphene.NonNull(CreateUploadInput), description="The file."),
        resolver=_create_upload,
        description="Ask for a place to send a file's bytes to.",
    )
}
