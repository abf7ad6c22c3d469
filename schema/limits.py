"""The limits of one GraphQL document; `limits` tells clients the first three."""

DEPTH = 12  # fields within fields
FIELDS = 400  # fields of one operation, its fragments written out
ALIASES = 30  # aliases of one operation, its fragments written out

REPEATS = 100  # times one operation may select the same response path: merging is quadratic in it
SELECTIONS = 4_000  # fields, spreads and inline fragments of a document, fragments written out
DIRECTIVES = 20  # directives in a document
DIRECTIVES_BESIDE = 5  # directives in one place of it; there are two that a query may have
FRAGMENTS = 30  # fragment definitions in a document
COST = 12_000  # fields of one operation, those of a page's items times the size of the page
COST_OF_DOING = 10  # of each root field of a mutation, beside what its fields cost
LINES = 2_000  # lines of a document
PAGE_SIZE = 100  # items of a page at most
DEFAULT_PAGE = 20  # items of a page that says nothing
BULK = 1_000  # runs that one mutation may change
TOKENS = 2_000  # lexical tokens of a document, comments included
ERRORS = 20  # mistakes reported before validation stops

INTROSPECTION_DEPTH = 16  # under __schema and __type; the standard query is 15 deep
INTROSPECTION_FIELDS = 400  # under __schema and __type; the standard query has 229

WAIT_SECONDS = 25  # that an operation may wait for runs; below what proxies allow an idle answer
OPERATIONS = 20  # open at once on one WebSocket
MESSAGE_BYTES = 65_536  # of one WebSocket message
SUBSCRIPTION = 20_000  # characters of a subscription's document and variables, which are kept

JSON_DEPTH = 32  # objects and lists within each other in a request's body
