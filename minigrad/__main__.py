"""`python -m minigrad` is the same as the command `minigrad`."""

import sys

from .cli.main import main

if __name__ == "__main__":  # a worker process imports this file again, and must not start over
    sys.exit(main())
