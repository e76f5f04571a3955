"""``python -m galgen``."""

import sys

from galgen.cli import main

sys.exit(main())
