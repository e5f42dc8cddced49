"""Run ganzoo as a module (``python -m ganzoo``) and as a folder (``python ganzoo``, as ``accelerate launch ganzoo``).

As a folder, this file's own folder comes first on the path, where every module of ganzoo would be top-level: it gives
way to the folder above it.
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
