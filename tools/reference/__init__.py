"""Write the reference pages, docs/reference/*.md, from the program: ``python -m tools.reference``."""
