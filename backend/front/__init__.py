"""The ASGI edge: one port, bodies with limits, one hop into Django, uploads streamed."""
