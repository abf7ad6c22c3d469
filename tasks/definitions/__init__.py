"""One file per task: every module here whose name has no leading underscore is imported."""
