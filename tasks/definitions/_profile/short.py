"""SQL that stores a long text as its beginning and a digest, which tell it apart as well.

Only its beginning is ever shown, and no number or time is that long; and DuckDB holds many rows at
once in memory.
"""

_LONG = 1024  # bytes
_KEPT = 200  # letters, more than are shown


def short_text(value: str) -> str:
    """The SQL of a text, shortened."""
    short = f"left({value}, {_KEPT}) || sha256({value})"
    return f"CASE WHEN strlen({value}) > {_LONG} THEN {short} ELSE {value} END"


def short_json(value: str) -> str:
    """The SQL of a JSON value as text, shortened; a JSON text stays one."""
    text = f"CAST({value} AS VARCHAR)"
    begin, digest = f"left({text}, {_KEPT})", f"sha256({text})"
    return rf"""
        CASE WHEN strlen({text}) <= {_LONG} THEN {text}
            WHEN left({text}, 1) = '"' THEN
                regexp_extract({begin}, '^"([^"\\]|\\[^u]|\\u[0-9a-fA-F]{{4}})*') || {digest} || '"'
            ELSE {begin} || {digest} END
    """
