"""The engine room of profile_dataset: check a table, load it, describe its columns."""
