"""What is sent as text can be spelled in UTF-8, and is copied only where it must be."""

import pytest

from backend.door.encoding import to_text


@pytest.mark.parametrize(
    ("given", "sent"), [("plain", "plain"), ("ü 𝄞", "ü 𝄞"), ("a\ud800b", "a?b"), ("", "")]
)
def test_half_a_surrogate_pair_becomes_a_question_mark(given: str, sent: str) -> None:
    assert to_text(given) == sent


def test_a_text_of_plain_letters_is_the_same_object() -> None:
    text = "x" * 1_000
    assert to_text(text) is text
