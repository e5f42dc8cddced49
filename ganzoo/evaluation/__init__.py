"""Evaluate runs, checkpoints and folders of images; draw sample grids."""
