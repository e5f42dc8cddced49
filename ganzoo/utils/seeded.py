"""Seed torch for the initial weights of one part of a recipe."""

from __future__ import annotations

import torch

from ganzoo.randomness import torch_seed


class seeded:  # noqa: N801
    """Context that seeds torch's CPU generator by ``seed`` and ``name`` alone, and restores its state at the end."""

    def __init__(self, seed: int, name: str) -> None:
        self.seed = torch_seed(seed, "init", name)
        self.fork = torch.random.fork_rng(devices=[])

    def __enter__(self) -> None:
        self.fork.__enter__()
        torch.default_generator.manual_seed(self.seed)

    def __exit__(self, *problem: object) -> None:
        self.fork.__exit__(None, None, None)
