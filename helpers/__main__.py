"""`python -m helpers`: see `helpers.app.command`."""

import sys

from helpers.app.command import main

if __name__ == "__main__":
    sys.exit(main())
