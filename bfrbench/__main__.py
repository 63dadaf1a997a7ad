"""`python -m bfrbench` is the command line."""

import sys

from bfrbench.cli import main

sys.exit(main())
