"""Read recipes from YAML files; check their components, options and settings."""
