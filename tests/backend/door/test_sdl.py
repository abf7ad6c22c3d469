"""The schema can be read as text, and cheaply asked for again."""

from django.test import Client

from tests.backend.door.toy import SDL


def test_the_schema_is_plain_text(client: Client) -> None:
    response = client.get("/schema.graphql")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.content.decode() == SDL


def test_an_unchanged_schema_is_not_sent_again(client: Client) -> None:
    tag = client.get("/schema.graphql").headers["etag"]
    assert tag.startswith('"')
    response = client.get("/schema.graphql", headers={"if-none-match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == tag
    assert client.get("/schema.graphql", headers={"if-none-match": '"other"'}).status_code == 200


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.head("/schema.graphql").status_code == 200
    assert client.post("/schema.graphql").status_code == 405


def test_where_introspection_is_off_there_is_no_schema(client: Client) -> None:
    assert client.get("/closed.graphql").status_code == 404
