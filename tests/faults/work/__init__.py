"""Tasks whose every attempt leaves its mark in the ledger; a service gets them by TASK_PACKAGES."""
