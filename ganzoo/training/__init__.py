"""Train a recipe in a folder: the run, its loop, evaluation, guards, callbacks and report."""
