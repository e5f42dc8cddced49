"""Train a recipe in float64, in one of the processes that a launcher starts."""

from ganzoo.testing.two_processes import main

if __name__ == "__main__":
    main()
