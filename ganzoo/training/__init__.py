"""Train a recipe in a folder: run, loop, evaluation, guards, callbacks, report."""
