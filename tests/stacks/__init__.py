"""Private servers on spare ports for every suite, and the whole Downbeat on top of them.

Use it from a conftest with `pytest_plugins = ["tests.stacks.fixtures"]`.
"""
