"""Starts that may be refused."""

from tests.faults.scene import Scene, mutation, row_of


def codes(scene: Scene, key: str) -> list[str]:
    """The errors' codes of a start under this key; a start that was accepted is acknowledged."""
    variables = {"input": {"number": 4}, "options": {"idempotencyKey": key}}
    answer = scene.service.graphql(mutation("short_work"), variables, scene.client.token)
    if "errors" in answer:
        return [error["extensions"]["code"] for error in answer["errors"]]
    scene.acknowledge(key, row_of(answer["data"]["shortWork"]["run"]["id"]))
    return []
