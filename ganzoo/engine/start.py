"""Begin a run with the networks of a trained run or an import (``train.start``), on any data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ganzoo.engine.checkpoint import ArchitectureError, load_network
from ganzoo.engine.checkpoint_files import PROGRESS, network_name, read_progress, select_checkpoint, verified_file
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.provenance.fingerprint import weights_key
from ganzoo.recipe.missing_files import no_start
from ganzoo.utils.atomic import find_complete

SETTING = "train.start"


@dataclass(frozen=True)
class Start:
    """The networks that a run begins with.

    Args:
        checkpoint: the folder that they come from.
        step: the step that they were trained to.
        key: checksum of the checkpoint's networks.
        found: slots whose weights were loaded.
        new: slots that the checkpoint lacks; they begin with new weights.
        unfit: slot → the first tensor of another shape; they begin with new weights, too.
        unused: networks of the checkpoint that the recipe lacks.
    """

    checkpoint: Path
    step: int
    key: str
    found: tuple[str, ...]
    new: tuple[str, ...]
    unfit: Mapping[str, str]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        """Return a line for the console."""
        parts = [f"begins with {', '.join(self.found)}"]
        parts += [f"new: {', '.join(self.new)}"] if self.new else []
        parts += [f"{slot} does not fit, so it is new ({why})" for slot, why in self.unfit.items()]
        parts += [f"not used: {', '.join(self.unused)}"] if self.unused else []
        return f"{SETTING}: {self.checkpoint}, step {self.step}: {'; '.join(parts)}"


def load_start(start: Path, engine: Engine) -> Start:
    """Load the networks of a run or a checkpoint into an engine that has not trained yet; return what was loaded.

    Of a run that averages its networks, the averages are loaded: what it translates with. The engine's own averages
    begin from the same weights.

    Args:
        start: a run's folder, of which ``best`` or else ``last`` is used, or ``RUN/checkpoints/NAME``.
        engine: its networks that the checkpoint has and that fit are replaced; the others stay as they are.

    Raises MissingResourceError when there is no such run, and GanzooError when a file is damaged or no network fits.
    """
    checkpoint = find_start(start)
    key, progress = weights_key(checkpoint), read_progress(checkpoint)
    found, new, unfit = [], [], {}
    for slot, network in engine.networks.items():
        name = network_name(progress, slot)
        if not (checkpoint / name).exists():
            new.append(slot)
            continue
        try:
            load_network(network, verified_file(checkpoint, name))
            found.append(slot)
        except ArchitectureError as error:
            unfit[slot] = error.reason
    available = {file.stem for file in (checkpoint / "networks").glob("*.safetensors")}
    if not found:
        reasons = "; ".join(f"{slot}: {why}" for slot, why in unfit.items())
        why = f"none fits ({reasons})" if unfit else f"it has {', '.join(sorted(available)) or 'none'}"
        raise GanzooError(f"{SETTING}: {checkpoint}: no network of this recipe ({', '.join(engine.networks)}): {why}")
    if weights_key(checkpoint) != key:
        raise GanzooError(f"{SETTING}: {checkpoint}: its run is writing it at this moment; give the command again")
    for slot, average in engine.average.networks.items() if engine.average else ():
        average.load_state_dict(engine.networks[slot].state_dict())
    unused = tuple(sorted(available - set(engine.networks)))
    return Start(checkpoint, int(progress["step"]), key, tuple(found), tuple(new), unfit, unused)


def require_networks(start: Start, engine: Engine) -> None:
    """Raise GanzooError if a network besides discriminators is new: in a run of no steps it would stay untrained."""
    slots = engine.method.slots
    untrained = [slot for slot in (*start.new, *start.unfit) if slots[slot].kind != "discriminator"]
    if untrained:
        raise GanzooError(
            f"{SETTING}: {start.checkpoint}: it has no {', '.join(untrained)} that fits, and a run of no steps would "
            "measure new networks: choose another checkpoint, or set train.epochs"
        )


def is_import(folder: Path) -> bool:
    """Return whether a folder was written by an import: its checkpoint has no optimizers, and it no environment."""
    last = folder / "checkpoints/last"
    trained = (folder / "env.json").exists() or (last / "optimizers.safetensors").exists()
    return (last / PROGRESS).is_file() and not trained


def find_start(start: Path) -> Path:
    """Return the checkpoint's folder that ``train.start`` names.

    Raises MissingResourceError when it is neither a run nor a checkpoint, GanzooError for a run without checkpoints.
    """
    if (start / "resolved.yaml").is_file():
        return select_checkpoint(start)
    checkpoint = find_complete(start, PROGRESS)
    if checkpoint:
        return checkpoint
    if start.parent.name == "checkpoints" and start.parent.is_dir():
        return select_checkpoint(start.parents[1], start.name)
    raise no_start(start)
