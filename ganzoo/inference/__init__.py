"""Use trained runs: translate images and files, and export to other formats."""
