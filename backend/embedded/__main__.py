"""`python -m backend.embedded`: the whole service on one machine, until Ctrl-C."""

import sys

from backend.embedded.service import main

sys.exit(main())
