"""What can be done, put together: uploads, starts, and the steering of runs."""

import graphene

from schema import deletions, starts, steering, uploads

Mutation = type(
    "Mutation",
    (graphene.ObjectType,),
    {
        **uploads.FIELDS,
        **steering.FIELDS,
        **deletions.FIELDS,
        **starts.FIELDS,
        "__doc__": "Everything that can be done.",
    },
)
