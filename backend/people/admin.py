"""E-mail addresses in Django's admin: allauth's own list, bounded as ours are."""

from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from django.contrib import admin

from accounts.bounded import BoundedAdmin

admin.site.unregister(EmailAddress)


@admin.register(EmailAddress)
class OurEmailAddressAdmin(BoundedAdmin, EmailAddressAdmin):
    list_select_related = ("user",)
    sortable_by = ("email",)
