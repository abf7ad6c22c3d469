"""What resolvers know of the request that they answer."""

from dataclasses import dataclass

from accounts.viewer import Viewer


@dataclass
class RequestContext:
    """`info.context`: who asks (None: nobody signed in) and under which address they see us."""

    viewer: Viewer | None
    base_url: str
