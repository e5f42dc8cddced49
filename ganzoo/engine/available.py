"""Load the networks that a checkpoint has, to translate and evaluate: discriminators or a direction may be missing.

A network without weights is not used silently: calling any of its layers raises MissingNetworkError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from ganzoo.engine.checkpoint import load_network
from ganzoo.engine.checkpoint_files import network_name, read_progress, verified_file
from ganzoo.engine.engine import Engine
from ganzoo.errors import MissingResourceError
from ganzoo.interfaces import Direction, Method
from ganzoo.step import Step, zeros_step

EXAMPLE_SIZE = 32
"""Side of the blank images that show which directions work, in pixels."""


class MissingNetworkError(MissingResourceError):
    """A network was called whose weights the checkpoint lacks."""

    def __init__(self, slot: str, file: Path) -> None:
        super().__init__(f"{file}: missing, so the network {slot} cannot be used")
        self.slot = slot


class AvailableNetworks:
    """The networks of a method, of which a checkpoint may lack some; ``load`` may be called again."""

    def __init__(self) -> None:
        self.missing: dict[str, Path] = {}
        """Slot → the file that the checkpoint lacks."""
        self._handles: list[RemovableHandle] = []

    def load(self, checkpoint: Path, networks: Mapping[str, nn.Module]) -> None:
        """Load the networks whose files exist, averaged ones if the run averaged them; the others refuse to be called.

        Args:
            checkpoint: the checkpoint's folder.
            networks: slot → network.

        Raises GanzooError when a file is damaged or of another architecture.
        """
        self._release()
        progress = read_progress(checkpoint)
        self._add(checkpoint, {network_name(progress, slot): slot for slot in networks}, networks)

    def load_engine(self, checkpoint: Path, engine: Engine) -> None:
        """Load the networks of an engine and their averages, as ``load`` does, for evaluation.

        A network with an average counts as missing if its average is.
        """
        self._release()
        averages = engine.average.networks if engine.average else {}
        trained = {slot: network for slot, network in engine.networks.items() if slot not in averages}
        self._add(checkpoint, {f"networks/{slot}.safetensors": slot for slot in trained}, trained)
        self._add(checkpoint, {f"average/{slot}.safetensors": slot for slot in averages}, averages)

    def _release(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self.missing = [], {}

    def _add(self, checkpoint: Path, names: Mapping[str, str], networks: Mapping[str, nn.Module]) -> None:
        """Load the networks from the files that exist: ``names`` maps their paths in the checkpoint to the slots."""
        missing = {slot: checkpoint / name for name, slot in names.items() if not (checkpoint / name).exists()}
        self.missing |= missing
        for name, slot in names.items():
            if slot not in missing:
                load_network(networks[slot], verified_file(checkpoint, name))
        loaded = [network for slot, network in networks.items() if slot not in missing]
        # Layers that a loaded network shares keep their weights.
        shared = {id(one) for network in loaded for one in chain(network.modules(), network.parameters())}
        for slot, file in missing.items():
            for layer in networks[slot].modules():
                if id(layer) not in shared:
                    self._handles.append(layer.register_forward_pre_hook(_refusal(slot, file)))
            with torch.no_grad():
                for parameter in networks[slot].parameters():
                    if id(parameter) not in shared:
                        parameter.fill_(float("nan"))  # a use without a call shows in the result


def _refusal(slot: str, file: Path) -> Callable[[nn.Module, object], None]:
    def refuse(layer: nn.Module, inputs: object) -> None:
        raise MissingNetworkError(slot, file)

    return refuse


def missing_for(method: Method, channels: Mapping[str, int], device: torch.device) -> dict[Direction, str]:
    """Return direction → the missing network that it needs; empty text for a direction that can be translated.

    Args:
        method: its networks are on the device, in evaluation mode.
        channels: domain → channels of its images.
        device: the device.
    """
    needed: dict[Direction, str] = {}
    for direction in method.directions:
        example = zeros_step(dict(channels), EXAMPLE_SIZE)
        tensors = {name: tensor.to(device) for name, tensor in example.items()}
        tensors |= {f"given_mask_{name[-1]}": torch.ones_like(one[:, :1]) for name, one in tensors.items()}
        step = Step(tensors, training=False)
        needed[direction] = ""
        try:
            with torch.no_grad():
                method.translate(step[f"real_{direction[0]}"], direction, step)
        except MissingNetworkError as error:
            needed[direction] = error.slot
        except Exception:  # a reason other than the networks shows when images are translated
            continue
    return needed
