"""The conditions of a statement: what stands between ANDs in each of its WHEREs."""

import re
from collections.abc import Iterator

_END = re.compile(r"\b(ORDER BY|LIMIT|ON CONFLICT|RETURNING)\b|\{(skip_locked|locked|end)\}")
_WORD = re.compile(r"\bWHERE\b|\bAND\b|\bBETWEEN\b|\(|\)")


def conditions(sql: str) -> list[str]:
    """Each condition once, with its spaces made single; a subquery's stand beside it."""
    text = " ".join(sql.split())
    found: dict[str, None] = {}
    for match in re.finditer(r"\bWHERE ", text):
        found.update(dict.fromkeys(_split(text[match.end() :])))
    # What follows the end of a batch belongs to the WHERE around it.
    for match in re.finditer(r"\{end\} AND ", text):
        found.update(dict.fromkeys(_split(text[match.end() :])))
    return [each for each in found if each != "TRUE" and not each.startswith("id {among}")]


def _split(text: str) -> Iterator[str]:
    """The conditions from here to the end of this WHERE."""
    depth, begin, is_between = 0, 0, False
    end = len(text)
    for match in _words(text):
        word = match.group()
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
            if depth < 0:
                end = match.start()
                break
        elif depth == 0 and word == "BETWEEN":
            is_between = True
        elif depth == 0 and word == "AND" and is_between:
            is_between = False
        elif depth == 0 and word == "AND":
            yield text[begin : match.start()].strip()
            begin = match.end()
        elif depth == 0 and word not in ("AND", "WHERE"):
            end = match.start()
            break
    yield text[begin:end].strip()


def _words(text: str) -> Iterator[re.Match[str]]:
    both = re.compile(f"{_WORD.pattern}|{_END.pattern}")
    return both.finditer(text)
