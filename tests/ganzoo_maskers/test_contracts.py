"""The maskers keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

TestCenteredSquare = component_tests("masker", "centered_square")
TestFull = component_tests("masker", "full")
TestLearned = component_tests("masker", "learned", options={"width": 2})
TestMultiRectangle = component_tests("masker", "multi_rectangle")
TestRound = component_tests("masker", "round")
