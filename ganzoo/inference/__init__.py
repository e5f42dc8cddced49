"""Use trained runs: translate images and files, export."""
