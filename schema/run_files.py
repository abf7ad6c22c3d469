"""The files that a run saved, as a connection."""

from typing import Any
from uuid import UUID

import graphene

from schema.core import File
from schema.grouped import RunRows
from schema.pages import FILES, Cut, Page, PageInfo
from tasks import models


class FileEdge(graphene.ObjectType):
    """A file in a list, with its place."""

    cursor = graphene.String(required=True, description="For `after`.")
    node = graphene.Field(File, required=True, description="The file.")


class FileConnection(graphene.ObjectType):
    """A page of files, the first one saved first."""

    edges = graphene.Field(
        graphene.List(graphene.NonNull(FileEdge)),
        required=True,
        description="The files with cursors.",
    )
    nodes = graphene.Field(
        graphene.List(graphene.NonNull(File)), required=True, description="The files."
    )
    page_info = graphene.Field(PageInfo, required=True, description="Where the page lies.")
    total_count = graphene.Int(description="How many in all; null when too many to count.")


def files_of(info: Any, run_id: UUID, page: dict[str, Any]) -> Page[models.File]:
    """A page of the files that the run saved, as far as the viewer may see them."""
    rows = models.File.objects.visible_to(info.context.signed_in)
    return Page(RunRows(info.context, run_id, "files", rows), Cut.of(FILES, **page))
