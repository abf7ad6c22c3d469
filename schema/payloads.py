"""What the answers of all mutations have in common."""

import graphene

from schema.core import UserError


class Payload(graphene.Interface):
    """What every mutation answers."""

    errors = graphene.Field(
        graphene.List(graphene.NonNull(UserError)),
        required=True,
        description="Why it was refused; empty when it was done.",
    )
