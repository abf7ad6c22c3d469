"""The ASGI edge: one port, bodies with limits, one hop into Django, files streamed both ways."""
