"""What components of plugins must return, and the one-line errors that name a component that breaks it."""
