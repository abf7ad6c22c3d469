"""Which address leads to which view."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from backend.door.execute import Door
from backend.door.http import GraphQLView
from backend.door.rates import Rates
from backend.door.sdl import SchemaView
from backend.door.trusted import TrustedDocuments
from backend.front.downloads import download
from backend.front.uploads import upload
from backend.health import readyz
from backend.people.admin_sign_in import admin_sign_in
from backend.people.csrf import csrf
from schema.build import schema, sdl

door = Door(
    schema().graphql_schema,
    introspection=settings.INTROSPECTION,
    rates=Rates(
        requests=settings.REQUESTS_PER_MINUTE,
        cost=settings.COST_PER_MINUTE,
        anonymous=settings.ANONYMOUS_PER_MINUTE,
    ),
    trusted=TrustedDocuments.load(trusted) if (trusted := settings.TRUSTED_DOCUMENTS) else None,
)

handler400 = "backend.refusals.bad_request"

urlpatterns = [
    path("", RedirectView.as_view(url="/graphql")),
    path("graphql", GraphQLView(door), name="graphql"),
    path("schema.graphql", SchemaView(sdl(), door)),
    path("uploads/<str:file_id>", upload, name="upload"),
    path("files/<str:file_id>", download, name="download"),
    path("readyz", readyz),
    path("csrf", csrf),
    path("_allauth/", include("backend.people.urls")),
    path("admin/login/", admin_sign_in),
    path("admin/", admin.site.urls),
]
