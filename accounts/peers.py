"""Who may read each other's runs for a common group, where the settings say so."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from uuid import UUID

from django.conf import settings

from accounts.models import User
from accounts.viewer import RUNS_READ, Viewer


def with_peers(viewers: Iterable[Viewer]) -> list[Viewer]:
    """The viewers with those whose runs they may read too: one query for all of them, or none."""
    found = list(viewers)
    wanted = {each.user_id for each in found if each.run_id is None and each.may(RUNS_READ)}
    if not settings.GROUP_READERS or not wanted:
        return found
    peers = _peers(wanted)
    return [
        replace(each, peers=frozenset(peers[each.user_id])) if each.user_id in wanted else each
        for each in found
    ]


def _peers(user_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    members = User.objects.filter(pk__in=user_ids, groups__user__isnull=False)
    peers: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for user_id, peer_id in members.values_list("pk", "groups__user").distinct():
        if peer_id != user_id:
            peers[user_id].add(peer_id)
    return peers
