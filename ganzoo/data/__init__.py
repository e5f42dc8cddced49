"""Read, write, transform and batch images, masks and label maps."""
