"""Write what authors of plugins start from: ``ganzoo new plugin`` uses it."""
