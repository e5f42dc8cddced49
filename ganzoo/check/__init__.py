"""Check a recipe before it runs: its parts, what it needs, its masks."""
