"""The steps of an SPA against a running service: upload, start, poll until final, read."""

import hashlib
import time
from typing import Any

import httpx

from tests.stacks.service import Service

FINAL_SECONDS = 60
UPLOAD = """mutation($input: CreateUploadInput!) { createUpload(input: $input) {
  upload { id method url headers { name value } } errors { field code message } } }"""
PROFILE = """mutation($input: ProfileDatasetInput!, $options: RunOptions) {
  profileDataset(input: $input, options: $options) {
    run { id status } replayed errors { field code message } } }"""
COUNT = """mutation($input: CountWordsInput!, $options: RunOptions) {
  countWords(input: $input, options: $options) {
    run { id status } replayed errors { field code message } } }"""
READ = """query($id: ID!) { run(id: $id) {
  id status isFinal revision progress { done total fraction message }
  error { code message } attempts { number outcome worker }
  result {
    ... on WordCount { words longest }
    ... on DatasetProfile { rows columns { name type missing distinct } } } } }"""


class Client:
    """One signed-in user of a service."""

    def __init__(self, service: Service, name: str = "ada") -> None:
        self.service = service
        self.token = service.token(name)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.service.graphql(query, variables, self.token)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def upload(
        self, content: bytes, name: str = "table.csv", content_type: str = "text/csv"
    ) -> str:
        """Upload the bytes; the file's id."""
        given = {
            "name": name,
            "size": len(content),
            "contentType": content_type,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        payload = self.ask(UPLOAD, input=given)["createUpload"]
        assert payload["errors"] == []
        upload = payload["upload"]
        headers = {header["name"]: header["value"] for header in upload["headers"]}
        done = httpx.request(upload["method"], upload["url"], content=content, headers=headers)
        assert done.is_success, done.text
        return str(upload["id"])

    def start(self, mutation: str, key: str | None = None, **given: Any) -> dict[str, Any]:
        """The payload of a start."""
        options = {"idempotencyKey": key} if key else None
        (payload,) = self.ask(mutation, input=given, options=options).values()
        return dict(payload)

    def started(self, mutation: str, key: str | None = None, **given: Any) -> str:
        """The id of the run that a start made."""
        payload = self.start(mutation, key, **given)
        assert payload["errors"] == []
        return str(payload["run"]["id"])

    def read(self, run: str) -> dict[str, Any]:
        return dict(self.ask(READ, id=run)["run"])

    def _late(self, found: dict[str, Any], seconds: float) -> str:
        return f"not final after {seconds} s: {found}\n{self.service.log.tail()}"

    def finished(self, run: str, seconds: float = FINAL_SECONDS) -> dict[str, Any]:
        """The run once it is final."""
        deadline = time.monotonic() + seconds
        while not (found := self.read(run))["isFinal"]:
            assert time.monotonic() < deadline, self._late(found, seconds)
            time.sleep(0.05)
        return found
