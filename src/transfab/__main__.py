"""`python -m transfab`, the same as the console script."""

import sys

from transfab.cli import main

if __name__ == "__main__":
    sys.exit(main())
