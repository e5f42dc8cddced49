"""Extensions of MkDocs for this site."""
