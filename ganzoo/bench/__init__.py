"""Tables of methods × data sets × seeds: one command runs them and saves records, another renders and checks them."""
