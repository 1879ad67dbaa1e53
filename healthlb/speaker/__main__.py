"""`python -m healthlb.speaker`: see main."""

import sys

from healthlb.speaker.main import main

sys.exit(main(sys.argv[1:]))
