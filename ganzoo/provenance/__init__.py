"""Where metric values come from: checksums, training sessions, environments, records."""
