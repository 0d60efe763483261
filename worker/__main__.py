"""``python -m worker``: workers and their parent."""

import os
import sys

from worker.process import main

sys.exit(main(os.environ))
