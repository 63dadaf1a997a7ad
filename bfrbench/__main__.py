"""`python -m bfrbench` is the command line."""

import sys

from bfrbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
