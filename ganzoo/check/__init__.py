"""Check a recipe before it runs: print its parts, measure the cost of a run, preview its masks."""
