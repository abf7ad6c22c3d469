"""What a single-page app would send, with the standard library alone."""

import json
import urllib.error
import urllib.request
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
RUN = """query ($id: ID!) {
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
        request = urllib.request.Request(  # noqa: S310 - the address of our own service
            f"{self._url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
        )
        answer = json.loads(_send(request))
        if answer.get("errors"):
            raise DemoError(f"GraphQL answered with errors: {answer['errors']}")
        data: dict[str, Any] = answer["data"]
        return data

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
            _send(request)
        return str(upload["id"])


def _send(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            body: bytes = response.read()
            return body
    except urllib.error.HTTPError as error:
        text = error.read(500).decode("utf-8", "replace")
        raise DemoError(f"{request.method} {request.full_url}: {error.code} {text}") from error
    except OSError as error:
        raise DemoError(f"The service gave no answer: {error}") from error
