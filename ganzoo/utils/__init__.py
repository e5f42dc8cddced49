"""Helpers that do not depend on images or training: files, console, formatting, cache folder, device, memory."""
