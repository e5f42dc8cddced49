"""Masks: what they are used for, and how they are processed before use."""
