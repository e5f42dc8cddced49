"""Contracts of the method ``distance_gan``, and its scheme of phases."""

from __future__ import annotations

import torch

from distance_gan.method import DistanceGAN
from ganzoo.testing import component_tests, make_step

NETWORKS = {
    "G": {"generator": "resnet", "width": 2, "blocks": 1},
    "D": {"discriminator": "patch", "width": 2, "layers": 1},
}
TestDistanceGAN = component_tests("method", "distance_gan", options={"critic_steps": 2}, recipe={"networks": NETWORKS})


def test_the_generator_follows_the_critic_in_every_nth_step() -> None:
    critic, distance, adversarial = DistanceGAN(critic_steps=5).phases
    assert (critic.every, distance.every, adversarial.every) == (1, 1, 5)
    assert distance.steps == adversarial.steps == ("G",)


def test_equal_halves_have_no_distance() -> None:
    half = torch.rand(1, 3, 4, 4)
    step = make_step({"real_A": torch.cat([half, half + 0.5], -1), "fake_B": torch.cat([half, half], -1)})
    assert torch.isclose(DistanceGAN(distance=3).distance_losses(step)["distance"], torch.tensor(1.5))
