"""Count the words of a text."""

from typing import Annotated

from pydantic import BaseModel, Field

from tasks import Context, task


class WordCount(BaseModel):
    """How many words a text has, and its longest one."""

    words: Annotated[int, Field(description="Words of at least `minimum` letters.")]
    longest: Annotated[str, Field(description="The longest word; empty when there is none.")]


@task(on_lost="rerun")
def count_words(
    ctx: Context,
    *,
    text: Annotated[str, Field(max_length=100_000, description="The text to count.")],
    minimum: Annotated[int, Field(ge=1, description="The fewest letters a word must have.")] = 1,
) -> WordCount:
    words, longest = 0, ""
    for line in ctx.track(text.splitlines(), "counting"):
        for word in line.split():
            words += len(word) >= minimum
            longest = max(longest, word, key=len)
    return WordCount(words=words, longest=longest)
