"""Helpers without knowledge of images or training: files, console, formatting, cache folder, memory."""
