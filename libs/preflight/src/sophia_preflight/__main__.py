"""`python -m sophia_preflight`."""

import sys

from sophia_preflight.command import main

sys.exit(main())
