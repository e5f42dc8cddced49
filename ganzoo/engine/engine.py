"""The engine: run a training step phase by phase, average gradients over processes, skip steps that are not finite.

Networks are moved to the device but not wrapped in DDP, which does not see calls such as ``module.encode()``, and
reduces only the first of two forward passes. Instead, one reduction averages all gradients of a phase over processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import lcm
from types import MappingProxyType
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from ganzoo.contracts.blame import catch_component_errors
from ganzoo.contracts.method_results import check_terms
from ganzoo.contracts.origin import Origin
from ganzoo.engine.attached_loss import AttachedLoss
from ganzoo.engine.compiled import begin_step, compile_networks, uncompiled
from ganzoo.engine.constraints import constrain_after_steps
from ganzoo.engine.discriminators.view import View
from ganzoo.engine.distributed import synchronize_batch_norm
from ganzoo.engine.ema import Averaged
from ganzoo.engine.frozen_casts import cast_frozen_once
from ganzoo.engine.gradients import Gradients, parameters_of
from ganzoo.engine.layout import arrange_images, memory_format, stepping_in_memory_order
from ganzoo.engine.precision import LossScale, autocast, resolve_precision, weights_cast_once
from ganzoo.engine.recomputation import recompute_generators
from ganzoo.engine.watched_state import WatchedState
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Method, Optim, Phase
from ganzoo.randomness import torch_seed
from ganzoo.settings import Compile, Shape
from ganzoo.step import Step


class Engine:
    """Runs the phases of a method's training steps; has its networks, optimizers, loss scale and weight averages.

    The networks and maskers are moved to the accelerator's device, and all processes start with the same weights.

    Args:
        method: the method, bound to its networks and maskers.
        accelerator: this process's accelerator.
        losses: the recipe's auxiliary losses; each is added to its phase.
        views: slot → what its discriminator sees in training, for those that see changed images.
        lr: the base learning rate.
        precision: ``fp32``, ``bf16``, ``fp16`` or ``auto``.
        ema: the decay of the moving average of all networks except discriminators; 0: no average.
        size: height and width of the images, which decide the memory format (see ``layout.py``).
        compile: whether networks are compiled when they train, and how (see ``compiled.py``).
        checkpointing: whether blocks of generators are computed again in the backward pass (see ``recomputation.py``).
        training: whether it trains; an engine that only evaluates needs no synchronized batch norm.
        origins: place in the recipe → where the component comes from, for errors: ``method``, ``networks.G_AB``, ….

    Raises GanzooError for fp16 on a CPU, and for batch norm on several CPU processes; MissingResourceError to compile
    without a C++ compiler.
    """

    def __init__(
        self,
        method: Method,
        accelerator: Accelerator,
        *,
        losses: Sequence[AttachedLoss] = (),
        views: Mapping[str, View] = MappingProxyType({}),
        lr: float = 2e-4,
        precision: str = "fp32",
        ema: float = 0.0,
        size: int | Shape = 0,
        compile: Compile = False,
        checkpointing: bool = False,
        training: bool = True,
        origins: Mapping[str, Origin] = MappingProxyType({}),
    ) -> None:
        self.method = method
        self.origins = {"method": Origin(type(method)), **origins}
        self.accelerator = accelerator
        self.device = accelerator.device
        self.precision = resolve_precision(precision, self.device, "train.precision")
        self.lr = lr
        self.networks: dict[str, nn.Module] = {}
        for name, network in method.networks.items():
            network.train(training)  # a network may keep frozen parts in eval mode
            self.networks[name] = synchronize_batch_norm(network, accelerator).to(self.device).train()
        self.views = {name: view.to(self.device) for name, view in views.items()}
        self.adaptive = {name: view.ada for name, view in self.views.items() if view.ada is not None}
        self._use({**self.networks, **self.views})
        self.trainable = {name: [p for p in net.parameters() if p.requires_grad] for name, net in self.networks.items()}
        self.attached: dict[str, list[AttachedLoss]] = {phase.name: [] for phase in method.phases}
        for loss in losses:
            self.attached[loss.phase].append(loss)
        self._share_initial_weights()
        self.memory_format = memory_format(self.device, size)
        maskers = list(method.masks.maskers.values())
        for module in [*self.networks.values(), *maskers]:
            module.to(self.device).to(memory_format=self.memory_format)
        cast_frozen_once(maskers, self.precision, self.device)
        self.optims = dict(method.optims)
        self.optimizers = {name: self._optimizer(optim) for name, optim in self.optims.items()}
        for name, optim in self.optims.items():
            constrain_after_steps(self.optimizers[name], [self.networks[slot] for slot in optim.slots])
        self.scale = LossScale(self.device, enabled=self.precision == "fp16")
        self.stepped, self._before = False, WatchedState({})
        averaged = {name: self.networks[name] for name, slot in method.slots.items() if slot.kind != "discriminator"}
        self.average = Averaged(averaged, ema) if ema else None
        self.compile = compile
        # The next two come after the copies for the averages, which are never trained.
        compile_networks(self.networks, compile)
        if checkpointing:
            recompute_generators(method, self.networks)

    def _share_initial_weights(self) -> None:
        if self.accelerator.num_processes > 1:
            for network in self.networks.values():
                for tensor in [*network.parameters(), *network.buffers()]:
                    tensor.data.copy_(broadcast(tensor.data))

    def _optimizer(self, optim: Optim) -> torch.optim.Optimizer:
        # A parameter that two networks share must be stepped once only.
        parameters = list(dict.fromkeys(p for slot in optim.slots for p in self.trainable[slot]))
        options: dict[str, Any] = {"lr": self.lr * optim.lr, **optim.options}
        # Fused Adam can skip a step on the device, but torch 2.12's for Apple's GPUs does not. Fused SGD leaves its
        # momentum unset if the first step is skipped.
        if optim.optimizer in (torch.optim.Adam, torch.optim.AdamW) and self.device.type in ("cpu", "cuda"):
            return stepping_in_memory_order(optim.optimizer)(parameters, **{**options, "fused": True})
        return optim.optimizer(parameters, **options)

    def arrange(self, step: Step) -> None:
        """Give the images of a step the memory format of the networks."""
        arrange_images(step, self.memory_format)

    def set_lr(self, factor: float) -> None:
        """Set every optimizer's learning rate to the base rate × the optim's own factor × ``factor``."""
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.lr * self.optims[name].lr * factor

    def autocast(self) -> torch.autocast:
        """Return the autocast context in which networks run at the run's precision; for fp32 it changes nothing."""
        return autocast(self.precision, self.device)

    def step(self, micros: Sequence[Step]) -> tuple[dict[str, Tensor], Tensor]:
        """Run one training step over its micro-batches, phase by phase; then update the moving averages of the weights.

        A phase with a loss or gradient that is not finite steps no optimizer. If a flag is 1, the buffers of all
        networks are restored. After an error ``stepped`` says whether weights or the method's state may have changed;
        if it is False, all is as before the step.

        Raises GanzooError for a phase without loss terms, and as ``AttachedLoss.term`` does; and ComponentError if the
        code of a component fails.

        Args:
            micros: the step's micro-batches, on the device.

        Returns:
            The loss terms, ``phase/term`` → the mean over this process's micro-batches; and a tensor with a flag for
            each phase of ``due(index)``, in this order: 1 if the phase was not finite, and not because of the loss
            scale, else 0. All are on the device, so that the host need not wait for them.
        """
        begin_step(self.compile)
        for micro in micros:
            self.arrange(micro)
        buffers = [one for part in (*self.networks.values(), *self.adaptive.values()) for one in part.buffers()]
        before = [buffer.clone() for buffer in buffers]
        with self.catching("state_dict"):
            self._before = WatchedState(self.method.state_dict())
        scale = (self.scale.scale, self.scale.good)
        self.stepped = False
        try:
            report, not_finite = self._run_phases(micros)
            self._adapt()
        except Exception:
            self.stepped = self.stepped or self.state_changed()
            if not self.stepped:
                self.scale.scale, self.scale.good = scale
                for buffer, old in zip(buffers, before, strict=True):
                    buffer.copy_(old)
            raise
        finally:
            for view in self.views.values():
                view.reset()
        for buffer, old in zip(buffers, before, strict=True):  # a running mean never recovers from a NaN
            buffer.copy_(torch.where(not_finite.sum() > 0, old, buffer))
        if self.average:
            self.average.update()
        report |= {f"augment/p_{name}": ada.p.clone() for name, ada in self.adaptive.items()}
        return report, not_finite

    def _adapt(self) -> None:
        """Adapt the probability of each adaptive augmentation to the step's real images of all processes."""
        if not self.adaptive:
            return
        observed = torch.stack([self.views[name].observed(self.device) for name in self.adaptive])
        if self.accelerator.num_processes > 1:
            observed = self.accelerator.reduce(observed, "sum")
        for ada, (signs, count) in zip(self.adaptive.values(), observed, strict=True):
            ada.adapt(signs, count)

    def state_changed(self) -> bool:
        """Return whether the latest step changed the method's state."""
        return self._before.differs_from(self.method.state_dict())

    def _run_phases(self, micros: Sequence[Step]) -> tuple[dict[str, Tensor], Tensor]:
        """Run the phases that are due, each over all micro-batches; return what ``step`` returns."""
        due = self.due(micros[0].index)
        forwards = [_Forward(self, micro, i, single=len(micros) == 1) for i, micro in enumerate(micros)]
        report: dict[str, Tensor] = {}
        flags: list[Tensor] = []
        pending: list[Gradients] = []
        for turn, phase in enumerate(due):
            graph_wanted = any(later.forward == "shared" for later in due[turn + 1 :])
            trained = {slot for name in phase.steps for slot in self.optims[name].slots}
            for i, forward in enumerate(forwards):
                step = forward.view(phase, trained, graph_wanted)
                self._freeze_all_but(trained)
                step.phase, step.turn = phase.name, (step.index + 1) // phase.every - 1
                self._start_draws(step, phase.name, i)
                with self.autocast():
                    terms = self._terms(phase, step)
                for view in [one for slot, one in self.views.items() if slot in trained]:
                    view.observe(step)
                values = torch.stack([term.float() for term in terms.values()])
                total = values.sum() / len(forwards)
                keep_graph = graph_wanted and forward.single
                (total * self.scale.scale).backward(retain_graph=keep_graph and phase.forward == "shared")
                if not keep_graph:
                    forward.drop_graph()
                for name, value in zip(terms, values.detach(), strict=True):
                    key = f"{phase.name}/{name}"
                    report[key] = report.get(key, 0) + value / len(forwards)
            gradients, flag = self._collect_gradients(phase, report)
            pending.append(gradients)
            flags.append(flag)
            if not phase.defer_step or phase is due[-1]:
                self.stepped = True
                for held in pending:
                    held.step()
                pending.clear()
        self._freeze_all_but(set(self.networks))
        return report, torch.stack(flags) if flags else torch.zeros(0, device=self.device)

    def due(self, index: int) -> list[Phase]:
        """Return the phases that run in the step ``index``, which is counted from 0, in the method's order."""
        return [phase for phase in self.method.phases if (index + 1) % phase.every == 0]

    @property
    def cycle(self) -> int:
        """The number of steps after which the sequence of due phases repeats."""
        return lcm(*(phase.every for phase in self.method.phases))

    def _terms(self, phase: Phase, step: Step) -> dict[str, Tensor]:
        with self.catching(f"losses of the phase {phase.name!r}"):
            terms = phase.losses(step)
        terms = check_terms(terms, self.origins["method"], phase.name)
        if not terms and not self.attached[phase.name]:
            raise GanzooError(
                f"{self.origins['method']}: the phase {phase.name!r} has no loss terms: all of them are switched off"
            )
        for attached in self.attached[phase.name]:
            terms[attached.name] = attached.term(step, terms, self.method.masks)
        return terms

    def _collect_gradients(self, phase: Phase, report: Mapping[str, Tensor]) -> tuple[Gradients, Tensor]:
        """Average a phase's gradients over processes, unscale and clip them, and remove them from the parameters.

        Returns:
            The gradients, and a scalar: 1 if they or a loss were not finite, and not because of the loss scale, else 0.
        """
        optimizers = [(self.optims[name].clip, self.optimizers[name]) for name in phase.steps]
        loss = torch.stack([value for name, value in report.items() if name.startswith(f"{phase.name}/")]).sum()
        if self.accelerator.num_processes > 1:
            loss = self._average([p for _, optimizer in optimizers for p in parameters_of(optimizer)], loss)
        bad = (~torch.isfinite(loss)).float()
        overflow = torch.zeros_like(bad)
        collected = []
        for clip, optimizer in optimizers:
            by_parameter = {p: p.grad for p in parameters_of(optimizer) if p.grad is not None}
            if not by_parameter:
                continue
            gradients = list(by_parameter.values())
            if self.scale.enabled:
                torch._foreach_div_(gradients, self.scale.scale)
            norm = torch.nn.utils.get_total_norm(gradients)
            overflow = torch.maximum(overflow, (~torch.isfinite(norm)).float())
            if clip is not None:
                torch.nn.utils.clip_grads_with_norm_(list(by_parameter), clip, norm)
            optimizer.zero_grad(set_to_none=True)
            collected.append((optimizer, by_parameter))
        return Gradients(collected, torch.maximum(bad, overflow)), torch.maximum(bad, self.scale.update(overflow))

    def _average(self, parameters: list[nn.Parameter], loss: Tensor) -> Tensor:
        """Average the gradients and the loss over the processes in one reduction; return the averaged loss.

        So all processes decide alike whether it is finite. If a parameter has a gradient on some processes only (its
        term had no input on the other ones), the missing gradients count as 0.
        """
        kind = {"dtype": parameters[0].dtype if parameters else loss.dtype, "device": self.device}
        available = torch.tensor([float(p.grad is not None) for p in parameters], **kind)
        flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        joined = torch.cat([*(one.reshape(-1) for one in flat), available, loss.reshape(1).to(available.dtype)])
        joined = self.accelerator.reduce(joined, "mean")
        *pieces, available, loss = joined.split([*(p.numel() for p in parameters), len(parameters), 1])
        some_missing = any(p.grad is None for p in parameters)
        available_anywhere = (available > 0).tolist() if some_missing else [True] * len(parameters)
        for parameter, piece, has_gradient in zip(parameters, pieces, available_anywhere, strict=True):
            # in the parameter's memory format, as fused optimizers need it
            parameter.grad = torch.empty_like(parameter).copy_(piece.view_as(parameter)) if has_gradient else None
        return loss.reshape(())

    def _freeze_all_but(self, names: set[str]) -> None:
        for name in sorted(self.trainable, key=names.__contains__):  # last, so that shared parameters are trained
            for parameter in self.trainable[name]:
                parameter.requires_grad_(name in names)

    def _start_draws(self, step: Step, purpose: str, micro: int) -> None:
        """Tell discriminators' views whose draws begin; seed torch's generator, for modules such as dropout."""
        for view in self.views.values():
            view.start(step, purpose)
        torch.manual_seed(torch_seed(step.seed, step.index, self.accelerator.process_index, micro, purpose))

    def catching(self, function: str) -> AbstractContextManager[None]:
        """Return a context for a call of one of the method's functions: an error in a component's code is one line."""
        return catch_component_errors(self.origins.values(), self.origins["method"], function)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Run a ``with`` block without gradients, with networks in eval mode: the averaged ones if there are any.

        Their weights must not change in it: at a half precision they are cast once.
        """
        networks = {**self.networks, **(self.average.networks if self.average else {})}
        for network in networks.values():
            network.eval()
        self._use(networks)
        try:
            parts = [*networks.values(), *self.method.masks.maskers.values()]
            with weights_cast_once(parts, self.device), uncompiled(self.compile):
                yield
        finally:
            for network in self.networks.values():
                network.train()
            self._use({**self.networks, **self.views})

    def _use(self, networks: dict[str, nn.Module]) -> None:
        self.method.networks = networks
        self.method.masks.set_networks(networks)


class _Forward:
    """The forward pass of a micro-batch; it runs when a phase first needs it, and later phases use its result."""

    def __init__(self, engine: Engine, step: Step, micro: int, single: bool) -> None:
        self.engine = engine
        self.inputs = step
        self.micro = micro
        self.single = single
        self.result: Step | None = None
        self.has_graph = False

    def view(self, phase: Phase, trained: set[str], graph_wanted_later: bool) -> Step:
        """Return the step after the forward pass, in the phase's form: ``shared``, ``detached`` or ``fresh``."""
        if phase.forward == "fresh":
            self.engine._freeze_all_but(trained)
            step = self.inputs.inputs()
            step.phase = phase.name
            self._run(step, phase.name)
            return step
        if phase.forward == "shared" and not self.has_graph:
            self._run_shared(graph=True)
        elif self.result is None:
            # The graph of a single micro-batch is saved for the phase that needs it; several would fill the memory.
            self._run_shared(graph=graph_wanted_later and self.single)
        assert self.result is not None
        return self.result if phase.forward == "shared" else self.result.detached()

    def _run_shared(self, graph: bool) -> None:
        step = self.inputs.inputs()
        self.engine._freeze_all_but(set(self.engine.networks))
        with torch.set_grad_enabled(graph):
            self._run(step, "forward")
        self.result, self.has_graph = step, graph

    def _run(self, step: Step, purpose: str) -> None:
        self.engine._start_draws(step, f"forward/{purpose}", self.micro)
        with self.engine.autocast(), self.engine.catching("forward"):
            self.engine.method.forward(step)

    def drop_graph(self) -> None:
        """Free the memory of the shared autograd graph, if there is one: detach its tensors."""
        if self.result is not None and self.has_graph:
            self.result = self.result.detached()
            self.has_graph = False
