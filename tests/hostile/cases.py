"""All hostile requests, by name."""

from tests.hostile import conversations, documents, requests, signing_in, uploads, values
from tests.hostile.table import Case

CASES: dict[str, Case] = {}
for _module in (requests, signing_in, uploads, conversations, documents, values):
    assert CASES.keys().isdisjoint(_module.CASES), CASES.keys() & _module.CASES.keys()
    CASES |= _module.CASES
