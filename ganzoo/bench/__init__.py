"""Tables: methods × data × seeds, run by one command, saved as records, rendered and checked by another."""
