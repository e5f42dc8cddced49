"""What discriminators see in training (augmentation, noise), and their spectral norm, as a recipe says."""
