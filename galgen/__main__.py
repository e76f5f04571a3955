"""``python -m galgen``."""

import sys

from galgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
