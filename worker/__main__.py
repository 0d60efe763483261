"""``python -m worker``: one worker process."""

import os
import sys

from worker.process import main

sys.exit(main(os.environ))
