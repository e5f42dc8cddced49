"""The engine: what each phase reads, trains and freezes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from ganzoo.engine.ema import Averaged
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Optim
from ganzoo.masks.roles import Roles
from ganzoo.step import Step
from tests.support.stand_in_methods import (
    BuiltAtSetup,
    EncodeDecode,
    Nothing,
    Toy,
    TwoPlayers,
    batch_step,
    changed,
    engine_of,
    weights,
)


@pytest.mark.parametrize("critic_first", [False, True])
def test_one_forward_serves_both_phases(critic_first: bool) -> None:
    method = TwoPlayers(critic_first=critic_first)
    engine = engine_of(method)
    engine.step([batch_step()])
    assert method.forwards == 1
    assert dict(method.calls) == {"generator": True, "critic": False}


@pytest.mark.parametrize("critic_first", [False, True])
def test_a_step_equals_a_plain_training_loop(critic_first: bool) -> None:
    """Compare three steps with textbook code: two Adams, detached fakes, in either order of phases."""
    method = TwoPlayers(critic_first=critic_first)
    engine = engine_of(method, lr=0.01)
    torch.manual_seed(1)
    G, D = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    adam = {net: torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.5, 0.999)) for net in (G, D)}
    for index in range(3):
        engine.step([batch_step(seed=index, index=index)])
        step = batch_step(seed=index)
        fake = G(step["real_A"])

        def generator(fake: Tensor = fake) -> None:
            adam[G].zero_grad()
            (D(fake) - 1).square().mean().backward(inputs=list(G.parameters()))
            adam[G].step()

        def critic(fake: Tensor = fake, real: Tensor = step["real_B"]) -> None:
            adam[D].zero_grad()
            (D(fake.detach()).square().mean() + (D(real) - 1).square().mean()).backward()
            adam[D].step()

        for turn in (critic, generator) if critic_first else (generator, critic):
            turn()
    for name, net in (("G", G), ("D", D)):
        for trained, plain in zip(engine.networks[name].parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(trained, plain, rtol=1e-5, atol=1e-7)


def test_two_optimizers_can_step_at_different_intervals() -> None:
    method = TwoPlayers(critic_first=True, generator_every=3)
    engine = engine_of(method)
    history = []
    for index in range(6):
        before = weights(engine)
        engine.step([batch_step(seed=index, index=index)])
        history.append(changed(before, weights(engine)))
    assert history == [{"D"}, {"D"}, {"D", "G"}] * 2


def test_a_phase_trains_its_networks_and_freezes_the_others() -> None:
    method = TwoPlayers()
    engine = engine_of(method)
    gradients = {}

    def losses(step: object) -> dict[str, Tensor]:
        gradients.update({name: p.requires_grad for name, net in engine.networks.items() for p in net.parameters()})
        return TwoPlayers.generator_losses(method, step)  # type: ignore[arg-type]

    object.__setattr__(method.phases[0], "losses", losses)
    engine.step([batch_step()])
    assert gradients == {"G": True, "D": False}
    assert all(p.requires_grad for net in engine.networks.values() for p in net.parameters())


def test_parameters_that_two_networks_share_are_stepped_once_and_trained_with_either() -> None:
    method = TwoPlayers()
    torch.manual_seed(0)
    shared, own = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    method.phases, method.optims = method.phases[:1], {"G": Optim(("G", "D"), torch.optim.SGD, {})}
    engine = engine_of(method, {"G": nn.Sequential(shared), "D": nn.Sequential(own, shared)}, lr=0.1)
    assert len(engine.optimizers["G"].param_groups[0]["params"]) == 4
    before, step = shared.weight.detach().clone(), batch_step()
    fake = F.conv2d(step["real_A"], weight := before.clone().requires_grad_(), shared.bias)
    scores = F.conv2d(own(fake), weight, shared.bias)
    (gradient,) = torch.autograd.grad((scores - 1).square().mean(), weight)
    engine.step([step])
    torch.testing.assert_close(shared.weight.detach(), before - 0.1 * gradient)
    engine._freeze_all_but({"G"})
    assert shared.weight.requires_grad and not own.weight.requires_grad
    engine._freeze_all_but({"D"})
    assert shared.weight.requires_grad and own.weight.requires_grad


def test_networks_without_forward_are_trained_and_each_phase_draws_its_styles() -> None:
    from tests.support.stand_in_methods import Codec

    method = EncodeDecode()
    torch.manual_seed(0)
    engine = engine_of(method, {"G_A": Codec(), "G_B": Codec(), "D_B": nn.Conv2d(3, 1, 1)})
    before = weights(engine)
    engine.step([batch_step()])
    assert changed(before, weights(engine)) == {"G_A", "G_B", "D_B"}
    assert not torch.equal(method.styles["critic"], method.styles["generator"])
    drawn = dict(method.styles)
    engine_of(EncodeDecode(), {"G_A": Codec(), "G_B": Codec(), "D_B": nn.Conv2d(3, 1, 1)}).step([batch_step()])
    assert torch.equal(batch_step().rng("style/critic").normal(4, 1, 1), drawn["critic"])


def test_a_network_built_at_setup_is_trained() -> None:
    method = BuiltAtSetup()
    networks: dict[str, nn.Module] = {"G_AB": nn.Conv2d(3, 5, 1)}
    method.bind(networks, Roles())
    networks |= method.setup(batch_step())
    assert networks["F"].in_features == 5
    engine = engine_of(method, networks)
    before = weights(engine)
    engine.step([batch_step()])
    assert changed(before, weights(engine)) == {"G_AB", "F"}


def test_a_method_without_phases_does_nothing() -> None:
    losses, flags = engine_of(Nothing(), {}).step([batch_step()])
    assert losses == {}
    assert flags.numel() == 0


@pytest.mark.parametrize("critic_first", [False, True])
def test_accumulation_equals_one_large_batch(critic_first: bool) -> None:
    whole, parts = engine_of(TwoPlayers(critic_first=critic_first)), engine_of(TwoPlayers(critic_first=critic_first))
    for index in range(3):
        full = batch_step(batch=4, seed=index, index=index)
        halves = []
        for rows in (slice(0, 2), slice(2, 4)):
            half = batch_step(batch=2, index=index, samples=range(4)[rows])
            half.update({name: full[name][rows] for name in full})
            halves.append(half)
        one, _ = whole.step([full])
        two, _ = parts.step(halves)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(parts)[name], value, rtol=1e-5, atol=1e-7)


def test_clipping_bounds_the_gradient_norm() -> None:
    def step_length(clip: float | None) -> float:
        engine = engine_of(Toy(lambda image: 100 * image.mean(), clip=clip), lr=1.0)
        before = weights(engine)
        engine.step([batch_step()])
        after = weights(engine)
        return float(sum((after[name] - before[name]).square().sum() for name in before)) ** 0.5

    assert step_length(0.5) == pytest.approx(0.5, rel=1e-4)
    assert step_length(None) > 10


def test_dropout_depends_on_the_step_alone() -> None:
    def outcome(index: int) -> Tensor:
        torch.manual_seed(torch.seed())  # earlier draws must not matter
        network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout())
        nn.init.ones_(network[0].weight)  # type: ignore[arg-type]
        nn.init.zeros_(network[0].bias)  # type: ignore[arg-type]
        losses, _ = engine_of(Toy(lambda image: image.square().mean()), {"G": network}).step([batch_step(index=index)])
        return losses["only/loss"]

    assert torch.equal(outcome(4), outcome(4))
    assert not torch.equal(outcome(4), outcome(5))


class Dropping(TwoPlayers):
    """Two phases, whose losses are what the dropout of one network each leaves of an image of one value."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[float] = []

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        return self.record("G", step)

    def critic_losses(self, step: Step) -> dict[str, Tensor]:
        return self.record("D", step)

    def record(self, name: str, step: Step) -> dict[str, Tensor]:
        left = self.networks[name](torch.ones_like(step["real_A"]))
        loss = (left * torch.linspace(0, 1, left.numel()).view_as(left)).mean()
        self.drawn.append(float(loss))
        return {"loss": loss}


def test_dropout_differs_between_processes_micro_batches_and_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(process: int) -> list[float]:
        networks = {name: nn.Sequential(nn.Conv2d(3, 64, 1), nn.Dropout()) for name in ("G", "D")}
        for network in networks.values():
            nn.init.ones_(network[0].weight)  # type: ignore[arg-type]
            nn.init.zeros_(network[0].bias)  # type: ignore[arg-type]
        method = Dropping()
        engine = engine_of(method, networks)
        monkeypatch.setattr(Accelerator, "process_index", property(lambda self: process))
        engine.step([batch_step(), batch_step()])
        return method.drawn

    first, second = drawn(0), drawn(1)
    assert first == drawn(0) and len(first) == 4
    assert len({*first, *second}) == 8


def test_the_average_follows_its_formula_and_is_used_in_evaluation() -> None:
    method = Toy(lambda image: image.mean())
    engine = engine_of(method, lr=0.1, ema=0.75)
    expected = weights(engine)["G.weight"]
    for index in range(3):
        engine.step([batch_step(index=index)])
        expected = 0.75 * expected + 0.25 * weights(engine)["G.weight"]
    assert engine.average is not None
    torch.testing.assert_close(engine.average.networks["G"].weight, expected)
    with engine.evaluating():
        assert method.networks["G"] is engine.average.networks["G"]
        assert not method.networks["G"].training
    assert method.networks["G"] is engine.networks["G"]
    assert method.networks["G"].training


def test_averaged_buffers_are_copies_not_averages() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    engine = engine_of(Toy(lambda image: image.square().mean()), {"G": network}, ema=0.9)
    engine.step([batch_step()])
    assert engine.average is not None
    for averaged, source in zip(engine.average.networks["G"].buffers(), network.buffers(), strict=True):
        assert torch.equal(averaged, source)


def test_a_network_without_parameters_has_an_average() -> None:
    method = TwoPlayers()
    networks = {"G": nn.Conv2d(3, 3, 1), "D": nn.Conv2d(3, 3, 1)}
    engine = engine_of(method, networks, ema=0.5)
    average = Averaged({**engine.networks, "fixed": nn.BatchNorm2d(3, affine=False)}, 0.5)
    average.sources["fixed"](torch.rand(2, 3, 4, 4))
    average.update()
    averaged, source = (dict(one["fixed"].named_buffers()) for one in (average.networks, average.sources))
    assert torch.equal(averaged["running_mean"], source["running_mean"]) and source["running_mean"].min() > 0


def test_learning_rates_are_base_times_optim_times_factor() -> None:
    method = TwoPlayers()
    object.__setattr__(method.optims["D"], "lr", 4.0)
    engine = engine_of(method, lr=0.01)
    engine.set_lr(0.5)
    assert engine.optimizers["G"].param_groups[0]["lr"] == pytest.approx(0.005)
    assert engine.optimizers["D"].param_groups[0]["lr"] == pytest.approx(0.02)


def test_a_phase_without_terms_is_an_error() -> None:
    method = Toy(lambda image: image.mean())
    object.__setattr__(method.phases[0], "losses", lambda step: {})
    method.bind({"G": nn.Conv2d(3, 3, 1)}, Roles())
    with pytest.raises(GanzooError, match="has no loss terms"):
        Engine(method, Accelerator(cpu=True)).step([batch_step()])


def test_parameters_that_an_author_froze_stay_frozen() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    network[0].requires_grad_(False)
    engine = engine_of(Toy(lambda image: image.square().mean()), {"G": network})
    before = weights(engine)
    engine.step([batch_step()])
    after = weights(engine)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"G.1.weight", "G.1.bias"}
    assert not network[0].weight.requires_grad


class TwoProcesses:
    """Replaces an Accelerator; the other process's tensors are known."""

    num_processes, process_index, device = 2, 0, torch.device("cpu")

    def __init__(self, other: Tensor) -> None:
        self.other = other

    def reduce(self, tensor: Tensor, how: str) -> Tensor:
        assert how == "mean"
        return (tensor + self.other) / 2


def test_a_gradient_that_only_one_process_has_is_averaged_with_zero() -> None:
    """Three parameters: with a gradient on both processes, on the other process only, on none."""
    engine = engine_of(Toy(lambda image: image.mean()))
    both, other_only, none = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    both.grad = torch.tensor([2.0, 4.0])
    gradients = torch.tensor([4.0, 0.0, 6.0, 8.0, 0.0, 0.0])
    other = torch.cat([gradients, torch.tensor([1.0, 1.0, 0.0]), torch.tensor([3.0])])
    engine.accelerator = TwoProcesses(other)
    loss = engine._average([both, other_only, none], torch.tensor(1.0))
    assert float(loss) == 2
    assert both.grad.tolist() == [3, 2]
    assert other_only.grad is not None
    assert other_only.grad.tolist() == [3, 4]
    assert none.grad is None
