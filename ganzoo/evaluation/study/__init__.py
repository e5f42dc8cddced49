"""Human studies: a page that asks people about translations, and percentages of their answers."""
