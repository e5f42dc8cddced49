"""Records of metric values and of their origin: checksums, training sessions, environments."""
