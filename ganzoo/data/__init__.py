"""Images: reading and writing them."""
