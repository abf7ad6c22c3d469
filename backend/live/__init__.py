"""Answers that come later, or more than once: the hub of all watchers, and the framings."""
