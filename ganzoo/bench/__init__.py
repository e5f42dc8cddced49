"""Tables: methods × data × seeds, run by one command, kept as records, rendered and checked by another."""
