"""Read and check recipes: YAML to components with checked options."""
