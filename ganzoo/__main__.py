"""Run ganzoo as a module (``python -m ganzoo``) and as a folder (``python ganzoo``, as ``accelerate launch ganzoo``).

Running a folder puts that folder first on the path, so that each module of ganzoo could be imported as a top-level
module. This file replaces it by the folder above.
"""

import os
import sys

if not __package__:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    sys.path.insert(0, os.path.dirname(here))

from ganzoo.cli import main

if __name__ == "__main__":
    main()
