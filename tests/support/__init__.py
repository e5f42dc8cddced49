"""Helpers that several tests share: small runs, stand-in components, local servers."""
