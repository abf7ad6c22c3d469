"""What mutations answer: the interfaces, and the refusal that is common to them."""

import graphene

from schema.core import UserError, user_error
from schema.run import Run
from tasks.exceptions import Refused


class Payload(graphene.Interface):
    """What every mutation answers."""

    errors = graphene.Field(
        graphene.List(graphene.NonNull(UserError)),
        required=True,
        description="Why it was refused; empty when it was done.",
    )


class StartPayload(graphene.Interface):
    """What every mutation answers that starts a run."""

    class Meta:
        interfaces = (Payload,)

    run = graphene.Field(Run, description="The run; null when it was refused.")
    replayed = graphene.Boolean(
        required=True,
        description="Whether an earlier start had made the run: one with the same idempotencyKey, "
        "or of a task of which no two open runs may have the same input.",
    )
    errors = graphene.Field(
        graphene.List(graphene.NonNull(UserError)),
        required=True,
        description="Why it was refused; empty when it was done.",
    )


def errors_of(refused: Refused) -> list[UserError]:
    return [user_error(each) for each in refused.problems]
