"""Contract tests for the components of plugins, with the factories that they use. For authors; it needs pytest."""

from __future__ import annotations

from ganzoo.testing.callback import callback_tests
from ganzoo.testing.command import command_tests
from ganzoo.testing.factories import make_draws, make_images, make_step, write_images
from ganzoo.testing.kinds import component_tests, contracts
from ganzoo.testing.tiny_run import TinyRun, train_tiny

__all__ = [
    "TinyRun",
    "callback_tests",
    "command_tests",
    "component_tests",
    "contracts",
    "make_draws",
    "make_images",
    "make_step",
    "train_tiny",
    "write_images",
]
