"""What a table may be at most, and what profiling one may take; each limit says why.

A few bytes can claim to be anything, so each of these is checked before the claim costs something.
"""

MEMORY = "300MB"  # that DuckDB may hold; it spills the rest to the scratch folder
THREADS = 2
SECONDS = 1_800  # that one profile may take: a gigabyte of CSV takes one or two minutes
# Bytes on the disk: text takes about its own size once loaded, Parquet may unfold to ten times its.
DISK_BASE, DISK_PER_BYTE = 1 << 30, 10

MAX_COLUMNS = 80  # so that the result stays below 64 KB whatever they hold
MAX_CELLS = 500_000_000  # that can be counted in minutes; a Parquet file of 200 bytes can have more
MAX_NAME = 10_000  # letters of a column's name: it is part of every query

MAX_LINE = 1 << 20  # bytes of a line, or of a row of several: Python holds it whole
MAX_LEVELS = 100  # of JSON's lists and objects in each other: DuckDB follows 128

MAX_FOOTER = 1 << 22  # bytes of a Parquet footer: Python walks through them in seconds
MAX_LIST = 10_000  # entries of one list in it: DuckDB's time rises with the square of the columns
MAX_ENTRIES = 250_000  # of all its lists: each takes DuckDB up to 800 bytes beside its own limit
