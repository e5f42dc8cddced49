"""Pictures: reading and writing them."""
