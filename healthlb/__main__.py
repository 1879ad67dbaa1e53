"""`python -m healthlb` is `healthlb`."""

import sys

from healthlb.cli.main import main

sys.exit(main())
