"""Start ganzoo's command line, for ``python -m ganzoo``, ``python ganzoo`` and ``accelerate launch ganzoo``.

If Python runs the folder ``ganzoo``, it puts this folder first on the path, so that each module of ganzoo could be
imported as a top-level module. This file replaces the folder on the path by its parent.
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
