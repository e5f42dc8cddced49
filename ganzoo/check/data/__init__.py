"""Check the images of a data set before training: ``ganzoo data check``."""
