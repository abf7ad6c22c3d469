"""The embedded default: one supervisor, a private Redis-protocol server, the whole service."""
