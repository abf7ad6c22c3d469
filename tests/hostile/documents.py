"""Hostile documents: bombs, loops, floods, and what does not fit the schema."""

from tests.hostile.table import HTTP, WEBSOCKET, Case, Operation, executed, invalid, refused

COMPLEX = refused("QUERY_TOO_COMPLEX")
UNREADABLE = invalid("GRAPHQL_PARSE_FAILED")
INVALID = invalid()
VIEWER = "{ viewer { id } }"
START = 'countWords(input: {text: "a"}) { run { id } }'


def _doubling(levels: int, times: int = 2) -> str:
    """Each fragment spreads the next so many times."""
    chain = (
        f"fragment f{n} on User {{ {f'...f{n + 1} ' * times} }}" for n in range(levels)
    )  # fmt: skip
    return f"{{ viewer {{ ...f0 }} }} {' '.join(chain)} fragment f{levels} on User {{ id }}"


def _nested(opening: str, levels: int, middle: str, closing: str) -> str:
    return opening * levels + middle + closing * levels


TOO_COMPLEX = {
    "13 levels of fields": "{ runs { nodes " + _nested("{ rerunOf ", 11, "{ id }", " }") + " } }",
    "rerunOf without end": "{ runs { nodes " + _nested("{ rerunOf ", 100, "{ id }", " }") + " } }",
    "401 fields": "{ limits { depth } " + "viewer { id displayName } " * 200 + "}",
    "one field 2,000 times": "{ limits { " + "depth " * 1_900 + "} }",
    "one field 101 times": "{ limits { " + "depth " * 101 + "} }",
    "31 aliases": "{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(31)) + " }",
    "31 starts by alias": "mutation { " + " ".join(f"a{n}: {START}" for n in range(31)) + " }",
    "a fragment in itself": "{ viewer { ...a } } fragment a on User { id ...a }",
    "a cycle of fragments": "{ viewer { ...a } } fragment a on User { ...b } "
    "fragment b on User { ...c } fragment c on User { ...a }",
    "a cycle that nobody uses": f"{VIEWER} fragment a on User {{ ...b }} "
    "fragment b on User { ...a }",
    "a bomb of fragments": _doubling(25),
    "a wide bomb of fragments": _doubling(4, times=10),
    "a fragment spread 2,000 times": "{ viewer { " + "...a " * 900
    + "} } fragment a on User { id }",
    "31 fragments": VIEWER + " ".join(f"fragment a{n} on User {{ id }}" for n in range(31)),
    "200 directives on a field": "{ viewer { id " + "@include(if: true) " * 200 + "} }",
    "21 directives on fields": "{ viewer { " + "id @skip(if: false) " * 21 + "} }",
    "6 directives in one place": "{ viewer { id @a @b @c @d @e @f } }",
    "200 unknown directives": "query " + "@a " * 200 + VIEWER,
    "200 directives on variables": "query(" + "$a: Int @a(b: 1) " * 200 + ") { viewer { id } }",
    "2,001 lines": "{ viewer { id } }" + "\n" * 2_001,
    "2,001 lines in a text": '{ node(id: """' + "\n" * 2_001 + '""") { id } }',
    "2,001 comments": "#\n" * 1_500 + VIEWER + "#a\r" * 600,
    "2,001 tokens": "{ " + "a " * 2_000 + "}",
    "4,001 selections": _doubling(5, times=5),
    "pages of pages of pages": "{ runs(first: 100) { nodes { events(last: 100) "
    "{ nodes { id message kind } } } } }",
    "a page as long as a variable says": "query($n: Int) { runs(first: $n) { nodes "
    "{ events(first: $n) { nodes { id message kind at } } } } }",
    "1,000 runs in each of 1,000": "mutation { cancelRuns(filter: {}) { items { run "
    "{ events { nodes { id } } } } } }",
}  # fmt: skip

NOT_GRAPHQL = {
    "nothing": "",
    "blanks": " \n\t,, ",
    "only a comment": "# { viewer { id } }",
    "SQL": "SELECT * FROM x; DROP TABLE x;",
    "JSON": '{"query": "{ viewer { id } }"}',
    "a script": "<script>alert(1)</script>",
    "a text without an end": '{ node(id: "',
    "a block of text without an end": '{ node(id: """ { id } }',
    "a document without an end": "{ viewer { id ",
    "an escape that is none": r'{ node(id: "\x41") { id } }',
    "half a surrogate pair, escaped": r'{ node(id: "\uD800") { id } }',
    "a character beyond Unicode": r'{ node(id: "\u{110000}") { id } }',
    "an escape of 10,000 digits": r'{ node(id: "\u{' + "0" * 10_000 + r'41}") { id } }',
    "a NUL": "{ viewer\0 { id } }",
    "a name beyond ASCII": "{ vi\u0435wer { id } }",
    "a blank that is none": "{ viewer\u00a0{ id } }",
    "text that turns around": "{ viewer \u202e{ id } }",
    "a number that begins with 0": "{ runs(first: 01) { nodes { id } } }",
    "a number that ends in a name": "{ runs(first: 1a) { nodes { id } } }",
    "a fragment called on": "{ viewer { ...on } } fragment on on User { id }",
    "empty braces": "{ }",
    "10,000 closing braces": VIEWER + "}" * 10_000,
    "600 fields within each other": _nested("{ a ", 600, "", "}"),
    "600 inline fragments within each other": "{ viewer " + _nested("{ ... ", 600, "{ id }", "}")
    + " }",
    "900 lists within each other": "{ runs(filter: {tasks: " + _nested("[", 900, "", "]")
    + "}) { nodes { id } } }",
    "900 objects within each other": "{ runs(filter: " + _nested("{a: ", 600, "1", "}")
    + ") { nodes { id } } }",
    "a type of 900 lists": "query($a: " + _nested("[", 900, "Int", "]") + ") { viewer { id } }",
    "a variable as its own default": "query($a: ID = $a) { node(id: $a) { id } }",
    "empty arguments": "{ runs() { nodes { id } } }",
}  # fmt: skip

NOT_OURS = {
    "an unknown field": "{ nothing }",
    "a field that is nearly right": "{ viewe { id } }",
    "an argument that is nearly right": "{ runs(firts: 1) { nodes { id } } }",
    "a type that is nearly right": "{ viewer { ... on Usr { id } } }",
    "a value that is nearly right": "{ runs(filter: {statuses: [QUEUE]}) { nodes { id } } }",
    "an input field that is nearly right": "{ runs(filter: {taks: []}) { nodes { id } } }",
    "an unknown fragment": "{ viewer { ...nobody } }",
    "an unknown directive": "{ viewer { id @nothing } }",
    "@defer": "{ viewer { ... @defer { id } } }",
    "@stream": "{ tasks @stream(initialCount: 1) { id } }",
    "@skip without a condition": "{ viewer { id @skip } }",
    "@skip twice": "{ viewer { id @skip(if: false) @skip(if: true) } }",
    "@include of a text": '{ viewer { id @include(if: "true") } }',
    "@deprecated in a query": "{ viewer { id @deprecated } }",
    "a field of a mutation in a query": "{ deleteMyData { errors { code } } }",
    "a field of a subscription in a mutation": 'mutation { runEvents(id: "1") { cursor } }',
    "no fields of an object": "{ viewer }",
    "fields of a text": "{ viewer { displayName { length } } }",
    "a fragment on a text": "{ viewer { ... on String { id } } }",
    "a fragment that can never fit": "{ viewer { ... on Run { id } } }",
    "a fragment on an input": "{ viewer { ... on RunFilter { id } } }",
    "a missing argument": "{ node { id } }",
    "an argument twice": '{ node(id: "1", id: "2") { id } }',
    "an input field twice": "{ runs(filter: {isFinal: true, isFinal: false}) { nodes { id } } }",
    "a variable twice": "query($a: ID!, $a: ID!) { node(id: $a) { id } }",
    "a variable of no type": "query($a: Nothing) { node(id: $a) { id } }",
    "a variable of an output type": "query($a: Run) { node(id: $a) { id } }",
    "a variable that is not declared": "{ node(id: $a) { id } }",
    "a variable that may be null": "query($a: ID) { node(id: $a) { id } }",
    "300 variables that nobody uses": "query(" + " ".join(f"$a{n}: Int" for n in range(300))
    + ") { viewer { id } }",
    "300 conflicting arguments": "{ "
    + " ".join(f'task(name: "{n}") {{ id }}' for n in range(98)) + " }",
    "conflicting aliases": "{ viewer { id: displayName id } }",
    "one operation twice": "query A { viewer { id } } query A { viewer { id } }",
    "an operation without a name beside another": "{ viewer { id } } query A { viewer { id } }",
    "a fragment twice": "{ viewer { ...a } } fragment a on User { id } fragment a on User { id }",
    "a fragment that nobody uses": f"{VIEWER} fragment a on User {{ id }}",
    "a type of its own": f"{VIEWER} type A {{ b: Int }}",
    "an extended schema": f"{VIEWER} extend type Query {{ b: Int }}",
    "a name of 60,000 letters": "{ " + "a" * 60_000 + " }",
    "an alias of __proto__ on nothing": "{ __proto__: constructor }",
    "a subscription to two things": "subscription { runChanged { id } a: runChanged { id } }",
    "a subscription to two things in a fragment": "subscription { ...a } "
    "fragment a on Subscription { runChanged { id } b: runChanged { id } }",
    "a subscription to __typename": "subscription { __typename }",
    "a subscription that a variable skips": "subscription($a: Boolean = true) "
    "{ runChanged @skip(if: $a) { id } }",
    "a subscription to __schema": "subscription { __schema { types { name } } }",
    "the schema": "{ __schema { types { name fields { name } } } }",
    "the schema by an alias in a fragment": "{ ...a } fragment a on Query "
    "{ b: __schema { queryType { name } } }",
    "one type of the schema": '{ __type(name: "User") { fields { name } } }',
    "the schema without end": "{ __schema { types { fields { type { fields { type { fields "
    "{ type { fields { type { name } } } } } } } } } } }",
    "introspection beside a mutation": f"query A {{ __schema {{ types {{ name }} }} }} "
    f"mutation B {{ {START} }}",
}  # fmt: skip

CASES: dict[str, Case] = {
    **{name: Operation(query, COMPLEX) for name, query in TOO_COMPLEX.items()},
    **{name: Operation(query, UNREADABLE) for name, query in NOT_GRAPHQL.items()},
    **{name: Operation(query, INVALID) for name, query in NOT_OURS.items()},
    "only a fragment": Operation("fragment a on User { id }", INVALID),
    "an operation that is not there": Operation(
        "query A { viewer { id } }", refused("BAD_REQUEST"), name="B"
    ),
    "an operation called as nothing": Operation(
        "query A { viewer { id } }", refused("BAD_REQUEST"), name=""
    ),
    "200 operations, none of them named": Operation(
        " ".join(f"query a{n} {{ viewer {{ id }} }}" for n in range(200)), refused("BAD_REQUEST")
    ),
    "a subscription of 20,001 characters": Operation(
        'subscription { run(id: "<my run>") { id } }' + " " * 20_001,
        COMPLEX,
    ),
    "a subscription with variables of 20,001 characters": Operation(
        "subscription($id: ID!) { run(id: $id) { id } }", COMPLEX, {"id": "a" * 20_001}
    ),
    "a subscription that takes no stream": Operation(
        'subscription { run(id: "<other run>") { id } }',
        {**executed("null"), HTTP: "400 BAD_REQUEST"},
    ),
    "a page by nobody": Operation(
        "{ runs { nodes { id } } }", executed("UNAUTHENTICATED"), token=""
    ),
    "a start by nobody": Operation(
        f"mutation {{ {START} }}", executed("UNAUTHENTICATED"), token=""
    ),
    "a subscription by nobody": Operation(
        "subscription { runChanged { id } }",
        {**executed("UNAUTHENTICATED"), WEBSOCKET: "error UNAUTHENTICATED"},
        token="",
    ),
}
