"""Masks: the roles in which they are used, and how they are processed before use."""
