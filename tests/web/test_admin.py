"""The admin's pages work under their policy: Chromium finds nothing that it must not load."""

import json
import subprocess

import pytest

from tests.stacks.machine import absent
from tests.stacks.service import Stack, running
from tests.web.conftest import ROOT, make

pytestmark = pytest.mark.xdist_group("browser")
PASSWORD = "a-password-for-one-test"


def test_the_browser_has_nothing_to_complain_of(chromium: str) -> None:
    for needed in ("node", "web/node_modules/.installed"):
        is_there, words = make(needed)
        if not is_there:
            absent(words)
    with running(Stack("embedded"), DJANGO_SUPERUSER_PASSWORD=PASSWORD) as service:
        service.manage(
            "createsuperuser", "--noinput", "--username", "ada", "--email", "a@b.example"
        )
        query = 'mutation { countWords(input: {text: "a b"}, waitSeconds: 20) { run { id } } }'
        assert "errors" not in service.graphql(query, token=service.token("ada"))
        given = (chromium, f"{service.url}/admin/", "ada", PASSWORD)
        done = subprocess.run(
            ("node", "web/browser/admin.mjs", *given),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=180,
        )
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout}"
    seen = json.loads(done.stdout)
    assert seen["faults"] == []
    assert {page["status"] for page in seen["pages"]} == {200}
    paths = {page["path"] for page in seen["pages"]}
    assert {"/admin/login/", "/admin/accounts/user/", "/admin/tasks/run/"} <= paths
    assert len(paths) > 8, paths
