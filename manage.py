#!/usr/bin/env python
"""Django's command line for Downbeat."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    from django.core.management import execute_from_command_line

    from tasks.exceptions import DeclarationError

    try:
        execute_from_command_line(sys.argv)
    except DeclarationError as error:
        sys.exit(f"The tasks cannot be loaded.\n{error}")  # its sentence says all: no traceback


if __name__ == "__main__":
    main()
