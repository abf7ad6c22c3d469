"""What can be done, put together: uploads, starts, and the steering of runs."""

import graphene

from schema import deletions, starts, steering, uploads

_FIELDS = {**uploads.FIELDS, **steering.FIELDS, **deletions.FIELDS, **starts.FIELDS}
for _field in _FIELDS.values():
    _field.reset_counter()  # graphene orders by when a field was made: by who is imported first

Mutation = type(
    "Mutation",
    (graphene.ObjectType,),
    {**_FIELDS, "__doc__": "Everything that can be done."},
)
