"""Tools for the documentation: ``python -m tools.reference`` writes docs/reference, and ``site`` extends MkDocs."""
