"""The origin of metric values: checksums, training sessions, environments, records."""
