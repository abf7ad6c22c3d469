"""What a single-page app would send, with the standard library alone."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

CREATE_UPLOAD = """mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    upload { id method url headers { name value } }
    errors { field code message }
  }
}"""
PROFILE = """mutation ($input: ProfileDatasetInput!, $options: RunOptions) {
  profileDataset(input: $input, options: $options) {
    run { id status }
    replayed
    errors { field code message }
  }
}"""
COUNT_WORDS = """mutation ($input: CountWordsInput!) {
  countWords(input: $input) { run { id } errors { field code message } }
}"""
WATCH = """subscription ($id: ID!) {
  run(id: $id) {
    status
    isFinal
    progress { done total fraction message }
    error { code message }
    result {
      ... on DatasetProfile {
        format
        rows
        columns {
          name
          type
          missing
          distinct
          numbers { min median max }
          times { min median max }
          mostFrequent { value count }
        }
      }
    }
  }
}"""
RUNS = "{ runs { nodes { id } } }"


class DemoError(Exception):
    """A step of the demo did not go as promised."""


class Client:
    """One user of the service."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of one operation."""
        with _sent(self._request(query, variables, "application/json")) as response:
            return _data(response.read())

    def watch(self, subscription: str, **variables: Any) -> Iterator[dict[str, Any]]:
        """The data of each event of a subscription, to its end."""
        with _sent(self._request(subscription, variables, "text/event-stream")) as stream:
            for line in stream:
                if line.startswith(b"data: "):
                    yield _data(line.removeprefix(b"data: "))
                elif line == b"event: complete\n":
                    return
        raise DemoError("The stream of events broke off.")

    def _request(
        self, query: str, variables: dict[str, Any], accept: str
    ) -> urllib.request.Request:
        return urllib.request.Request(  # noqa: S310 - the address of our own service
            f"{self._url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "Accept": accept,
            },
        )

    def upload(self, path: Path, content_type: str) -> str:
        """Ask for an upload, send the bytes where it says, and return the file's id."""
        wish = {"name": path.name, "size": path.stat().st_size, "contentType": content_type}
        payload = self.graphql(CREATE_UPLOAD, input=wish)["createUpload"]
        if payload["errors"]:
            raise DemoError(f"The upload was refused: {payload['errors']}")
        upload = payload["upload"]
        headers = {header["name"]: header["value"] for header in upload["headers"]}
        with path.open("rb") as content:
            request = urllib.request.Request(  # noqa: S310 - as above
                urljoin(self._url, upload["url"]),
                data=content,
                method=upload["method"],
                headers={"Content-Length": str(wish["size"]), **headers},
            )
            with _sent(request):
                return str(upload["id"])


def _data(text: bytes) -> dict[str, Any]:
    answer = json.loads(text)
    if answer.get("errors"):
        raise DemoError(f"GraphQL answered with errors: {answer['errors']}")
    data: dict[str, Any] = answer["data"]
    return data


@contextmanager
def _sent(request: urllib.request.Request) -> Iterator[Any]:
    """The response, to be read."""
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # nosec B310 # noqa: S310 - as above
            yield response
    except urllib.error.HTTPError as error:
        text = error.read(500).decode("utf-8", "replace")
        raise DemoError(f"{request.method} {request.full_url}: {error.code} {text}") from error
    except OSError as error:
        raise DemoError(f"The service gave no answer: {error}") from error
