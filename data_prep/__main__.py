"""``python -m data_prep SOURCE INPUT... -o suite.h5``."""

import sys

from data_prep.command import main

if __name__ == "__main__":
    sys.exit(main())
