"""Textbook steps: each method written from its paper, in plain torch layers, to measure ganzoo's steps against."""
