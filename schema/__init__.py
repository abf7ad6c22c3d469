"""The language: scalars, core types, generated task types, queries, mutations, errors."""
