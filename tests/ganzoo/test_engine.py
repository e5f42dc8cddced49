"""The engine: what each phase reads, trains and leaves alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from standins import (
    BuiltAtSetup,
    Constant,
    EncodeDecode,
    Nothing,
    Toy,
    TwoPlayers,
    batch_step,
    changed,
    engine_of,
    weights,
)
from torch import Tensor, nn

from ganzoo.assemble import Attached
from ganzoo.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Loss, Method, Optim, Phase, Slot
from ganzoo.precision import GROW_AFTER, START, LossScale
from ganzoo.roles import Roles
from ganzoo.step import Step


@pytest.mark.parametrize("critic_first", [False, True])
def test_one_forward_serves_both_phases(critic_first: bool) -> None:
    method = TwoPlayers(critic_first=critic_first)
    engine = engine_of(method)
    engine.step([batch_step()])
    assert method.forwards == 1
    assert dict(method.seen) == {"generator": True, "critic": False}


@pytest.mark.parametrize("critic_first", [False, True])
def test_a_step_equals_the_plain_loop(critic_first: bool) -> None:
    """Three steps against textbook code: two Adams, detached fakes, in either order of phases."""
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
        for ours, plain in zip(engine.networks[name].parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-7)


def test_two_optimizers_are_updated_unequally_often() -> None:
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


def test_what_two_networks_share_is_stepped_once_and_trained_with_either() -> None:
    method = TwoPlayers()
    torch.manual_seed(0)
    shared, own = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    method.phases, method.optims = method.phases[:1], {"G": Optim(("G", "D"), torch.optim.SGD, {})}
    engine = engine_of(method, {"G": nn.Sequential(shared), "D": nn.Sequential(own, shared)}, lr=0.1)
    assert len(engine.optimizers["G"].param_groups[0]["params"]) == 4
    before, step = shared.weight.detach().clone(), batch_step()
    fake = F.conv2d(step["real_A"], weight := before.clone().requires_grad_(), shared.bias)
    judged = F.conv2d(own(fake), weight, shared.bias)
    (gradient,) = torch.autograd.grad((judged - 1).square().mean(), weight)
    engine.step([step])
    torch.testing.assert_close(shared.weight.detach(), before - 0.1 * gradient)
    engine._freeze_all_but({"G"})
    assert shared.weight.requires_grad and not own.weight.requires_grad
    engine._freeze_all_but({"D"})
    assert shared.weight.requires_grad and own.weight.requires_grad


def test_networks_without_forward_are_trained_and_styles_drawn_anew_in_each_phase() -> None:
    from standins import Codec

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


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_that_is_not_finite_changes_nothing_and_is_flagged(fused: bool) -> None:
    engine = engine_of(TwoPlayers(), lr=0.1)
    if not fused:
        parameters = {name: list(engine.networks[name].parameters()) for name in ("G", "D")}
        engine.optimizers = {name: torch.optim.Adam(ps, lr=0.1) for name, ps in parameters.items()}
    engine.step([batch_step()])
    before = weights(engine)
    states = {name: one.state_dict()["state"][0]["exp_avg"].clone() for name, one in engine.optimizers.items()}
    bad = batch_step()
    bad["real_A"][0, 0, 0, 0] = float("nan")
    losses, flags = engine.step([bad])
    assert flags.tolist() == [1.0, 1.0]
    assert not torch.isfinite(losses["generator/adv"])
    assert changed(before, weights(engine)) == set()
    for name, optimizer in engine.optimizers.items():
        entry = optimizer.state_dict()["state"][0]
        assert torch.equal(entry["exp_avg"], states[name])
        assert float(entry["step"]) == 1
    _, flags = engine.step([batch_step()])
    assert flags.tolist() == [0.0, 0.0]
    assert changed(before, weights(engine)) == {"G", "D"}


def test_a_gradient_that_is_not_finite_is_flagged_though_the_loss_is_finite() -> None:
    engine = engine_of(Toy(lambda image: (image - image).abs().sqrt().mean()))  # its derivative at 0 is infinite
    before = weights(engine)
    losses, flags = engine.step([batch_step()])
    assert torch.isfinite(losses["only/loss"])
    assert flags.tolist() == [1.0]
    assert changed(before, weights(engine)) == set()


def test_clipping_bounds_the_gradient_norm() -> None:
    def step_length(clip: float | None) -> float:
        engine = engine_of(Toy(lambda image: 100 * image.mean(), clip=clip), lr=1.0)
        before = weights(engine)
        engine.step([batch_step()])
        after = weights(engine)
        return float(sum((after[name] - before[name]).square().sum() for name in before)) ** 0.5

    assert step_length(0.5) == pytest.approx(0.5, rel=1e-4)
    assert step_length(None) > 10


class Mean(Loss):
    """The mean of a picture."""

    def forward(self, image: Tensor) -> Tensor:
        return image.mean()


def test_an_attached_loss_joins_its_phase_with_its_weight() -> None:
    attached = Attached("bright", Mean(), {"image": "rec_A"}, 3.0, "only")
    engine = engine_of(Toy(lambda image: image.square().mean()), losses=[attached])
    step = batch_step()
    losses, _ = engine.step([step])
    torch.manual_seed(1)
    made = nn.Conv2d(3, 3, 1)(step["real_A"])
    torch.testing.assert_close(losses["only/bright"], 3 * made.mean().detach())
    plain = engine_of(Toy(lambda image: image.square().mean()))
    plain.step([batch_step()])
    assert changed(weights(plain), weights(engine)) == {"G"}


def test_an_attached_loss_reads_masks_that_are_made_when_it_asks() -> None:
    class Masked(Loss):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return (image * mask).mean()

    method = Toy(lambda image: image.square().mean())
    attached = Attached("masked", Masked(), {"image": "rec_A", "mask": "labels_mask_real_A"}, 1.0, "only")
    engine, step = engine_of(method, losses=[attached]), batch_step()
    method.masks = Roles({"labels": Constant(0.25)})
    losses, _ = engine.step([step])
    torch.manual_seed(1)
    made = nn.Conv2d(3, 3, 1)(step["real_A"])
    torch.testing.assert_close(losses["only/masked"], 0.25 * made.mean().detach())


def test_an_attached_loss_may_not_take_the_name_of_a_term() -> None:
    engine = engine_of(
        Toy(lambda image: image.mean()), losses=[Attached("loss", Mean(), {"image": "rec_A"}, 1, "only")]
    )
    with pytest.raises(GanzooError, match=r"losses\.loss: the method has a term of this name"):
        engine.step([batch_step()])


def test_dropout_is_reseeded_by_step_and_nothing_else() -> None:
    def outcome(index: int) -> Tensor:
        torch.manual_seed(torch.seed())  # whatever was drawn before must not matter
        network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout())
        nn.init.ones_(network[0].weight)  # type: ignore[arg-type]
        nn.init.zeros_(network[0].bias)  # type: ignore[arg-type]
        losses, _ = engine_of(Toy(lambda image: image.square().mean()), {"G": network}).step([batch_step(index=index)])
        return losses["only/loss"]

    assert torch.equal(outcome(4), outcome(4))
    assert not torch.equal(outcome(4), outcome(5))


def test_the_average_follows_its_formula_and_serves_evaluation() -> None:
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
    for kept, source in zip(engine.average.networks["G"].buffers(), network.buffers(), strict=True):
        assert torch.equal(kept, source)


def test_bf16_runs_the_networks_and_keeps_weights_and_losses_in_fp32() -> None:
    seen = []

    def loss(image: Tensor) -> Tensor:
        seen.append(image.dtype)
        return image.float().mean()

    engine = engine_of(Toy(loss), precision="bf16")
    losses, _ = engine.step([batch_step()])
    assert seen == [torch.bfloat16]
    assert losses["only/loss"].dtype == torch.float32
    assert engine.networks["G"].weight.dtype == torch.float32


def test_fp16_without_a_gpu_is_refused() -> None:
    with pytest.raises(GanzooError, match="fp16 needs a GPU"):
        engine_of(Toy(lambda image: image.mean()), precision="fp16")


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


class Twice(Method):
    """Two phases that train one network from one forward; the first may wait for the second's gradients."""

    def __init__(self, *, waits: bool = True, second_every: int = 1) -> None:
        self.slots = {"G": Slot("generator", ("A",), "B")}
        self.optims = {"G": Optim(("G",))}
        self.phases = [
            Phase("near", ("G",), lambda step: {"l2": (step["fake_B"] - step["real_B"]).square().mean()}, waits=waits),
            Phase("small", ("G",), lambda step: {"l2": step["fake_B"].square().mean()}, every=second_every),
        ]
        self.tensors = ["fake_B"]
        self.forwards = 0

    def forward(self, step: Step) -> None:
        self.forwards += 1
        step["fake_B"] = self.networks["G"](self.networks["G"](step["real_A"]))  # so that a gradient reads weights


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("parts", [1, 2])
def test_a_phase_that_waits_steps_after_the_next_ones_gradients(parts: int, scaled: bool) -> None:
    """Two steps of Adam by gradients of one set of weights, though a loss scale that changes lies between them."""
    method = Twice()
    engine = engine_of(method, lr=0.01)
    if scaled:
        engine.scale = LossScale(engine.device, enabled=True)
        engine.scale.good.fill_(GROW_AFTER - 1)
    torch.manual_seed(1)
    G = nn.Conv2d(3, 3, 1)
    adam = torch.optim.Adam(G.parameters(), lr=0.01, betas=(0.5, 0.999))
    for index in range(2):
        full = batch_step(batch=4, seed=index, index=index)
        micros = []
        for rows in torch.arange(4).chunk(parts):
            micros.append(batch_step(batch=len(rows), index=index, samples=rows.tolist()))
            micros[-1].update({name: full[name][rows] for name in full})
        _, flags = engine.step(micros)
        assert flags.tolist() == [0, 0]
        fake = G(G(full["real_A"]))
        terms = ((fake - full["real_B"]).square().mean(), fake.square().mean())
        for gradients in [torch.autograd.grad(term, list(G.parameters()), retain_graph=True) for term in terms]:
            for parameter, gradient in zip(G.parameters(), gradients, strict=True):
                parameter.grad = gradient
            adam.step()
        for ours, plain in zip(engine.networks["G"].parameters(), G.parameters(), strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-7)
    if scaled:
        assert float(engine.scale.scale) == 2 * START
    assert method.forwards == 2 * (1 if parts == 1 else 4)  # several graphs would fill the memory: they are made again


def test_a_phase_waits_for_none_that_is_not_due() -> None:
    engine = engine_of(Twice(second_every=2))
    before = weights(engine)
    engine.step([batch_step()])
    assert changed(before, weights(engine)) == {"G"}
    assert engine.cycle == 2


def test_of_two_phases_that_wait_only_the_bad_one_is_skipped() -> None:
    def outcome(bad: bool) -> tuple[dict[str, Tensor], list[float]]:
        method = Twice()
        if bad:
            object.__setattr__(method.phases[0], "losses", lambda step: {"l2": step["fake_B"].mean() * float("nan")})
        else:
            method.phases = method.phases[1:]
        engine = engine_of(method)
        _, flags = engine.step([batch_step()])
        return weights(engine), flags.tolist()

    (skipped, flags), (alone, _) = outcome(True), outcome(False)
    assert flags == [1, 0]
    assert changed(alone, skipped) == set()


def test_a_step_that_is_not_finite_leaves_running_means_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    engine = engine_of(Toy(lambda image: image.square().mean()), {"G": network}, ema=0.9)
    engine.step([batch_step()])
    before = [buffer.clone() for buffer in network.buffers() if buffer.is_floating_point()]
    bad = batch_step()
    bad["real_A"][0, 0, 0, 0] = float("nan")
    engine.step([bad])
    after = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert engine.average is not None
    assert all(torch.isfinite(buffer.float()).all() for buffer in engine.average.networks["G"].buffers())
    engine.step([batch_step(index=2)])
    assert not torch.equal(before[0], next(network.buffers()))


def test_what_an_author_froze_stays_frozen() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    network[0].requires_grad_(False)
    engine = engine_of(Toy(lambda image: image.square().mean()), {"G": network})
    before = weights(engine)
    engine.step([batch_step()])
    after = weights(engine)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"G.1.weight", "G.1.bias"}
    assert not network[0].weight.requires_grad


def test_an_attached_loss_runs_in_float32_whatever_the_precision() -> None:
    seen = []

    class Looking(Loss):
        def forward(self, image: Tensor) -> Tensor:
            seen.append((image.dtype, torch.is_autocast_enabled("cpu")))
            return image.mean()

    attached = Attached("look", Looking(), {"image": "rec_A"}, 1.0, "only")
    engine_of(Toy(lambda image: image.float().mean()), losses=[attached], precision="bf16").step([batch_step()])
    assert seen == [(torch.float32, False)]


class TwoProcesses:
    """Stands for an Accelerator of which the other process's tensors are known."""

    num_processes, process_index, device = 2, 0, torch.device("cpu")

    def __init__(self, other: Tensor) -> None:
        self.other = other

    def reduce(self, mine: Tensor, how: str) -> Tensor:
        assert how == "mean"
        return (mine + self.other) / 2


def test_a_gradient_that_only_one_process_has_is_averaged_with_nothing() -> None:
    """Three parameters: both have a gradient, only the other has one, nobody has one."""
    engine = engine_of(Toy(lambda image: image.mean()))
    both, theirs, none = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    both.grad = torch.tensor([2.0, 4.0])
    gradients = torch.tensor([4.0, 0.0, 6.0, 8.0, 0.0, 0.0])
    other = torch.cat([gradients, torch.tensor([1.0, 1.0, 0.0]), torch.tensor([3.0])])
    engine.accelerator = TwoProcesses(other)
    loss = engine._average([both, theirs, none], torch.tensor(1.0))
    assert float(loss) == 2
    assert both.grad.tolist() == [3, 2]
    assert theirs.grad is not None
    assert theirs.grad.tolist() == [3, 4]
    assert none.grad is None
