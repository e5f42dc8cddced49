"""The image pool: discriminators also see images that were generated earlier (Shrivastava et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.interfaces.batching import memory_format_of
from ganzoo.randomness import Draws


class ImagePool:
    """A store of earlier generated images, with a history for each position in the global batch.

    So the result does not depend on the number of processes. While a position's history is not full, a new image is
    stored and returned. After that, a new image is returned with probability ½; otherwise a random stored image is
    returned, and the new one replaces it in the history (Zhu et al. 2017, section 4: 50 images).

    Args:
        size: the number of images in each position's history; with 0 all new images are returned.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._stored: dict[int, list[Tensor]] = {}
        self._before: dict[int, list[Tensor]] = {}
        """Position in the latest step → its history before that step, for ``undo``."""
        self._own: set[int] = set()
        """Positions of this process: those queried since a state was loaded."""

    def query(
        self, images: Tensor, positions: Sequence[int], rng: Draws, *, exchanged: Sequence[bool] | None = None
    ) -> Tensor:
        """Return, for each new image, either this image or a stored one: (B, C, H, W), detached.

        Args:
            images: new generated images, (B, C, H, W).
            positions: each image's position in the global batch (``step.positions``), all different.
            rng: the random draws, of which two uniform numbers per image are used.
            exchanged: for each image, whether it is exchanged for a stored one if the history is full; by default a
                draw decides.

        Raises GanzooError if the returned images would have different sizes.
        """
        images = images.detach()
        self._own.update(positions)
        # A repeated position starts a new step; queries with other positions are micro-batches of the same step.
        if not self._before.keys().isdisjoint(positions):
            self._before.clear()
        draws = rng.uniform(2).tolist()
        if exchanged is None:
            exchanged = [coin < 0.5 for coin, _ in draws]
        chosen = [
            self._exchange(image, position, old, choice)
            for image, position, old, (_, choice) in zip(images.split(1), positions, exchanged, draws, strict=True)
        ]
        sizes = {tuple(image.shape[1:]) for image in chosen}
        if len(sizes) > 1:
            raise GanzooError(
                f"the image pool holds images of several sizes ({', '.join(map(_size, sorted(sizes)))}), "
                "which cannot share a batch: give all images one size, or set batch: 1 or pool: 0"
            )
        # Keep the memory format of the input, so that a compiled network always sees the same one.
        return torch.cat(chosen).to(memory_format=memory_format_of(images))

    def _exchange(self, image: Tensor, position: int, old: bool, choice: float) -> Tensor:
        """Return the new image, or if the history is full and ``old``, the stored one that ``choice`` selects."""
        history = self._stored.setdefault(position, [])
        self._before[position] = list(history)
        if len(history) < self.size:
            history.append(_copy(image))
            return image
        if self.size == 0 or not old:
            return image
        slot = int(choice * self.size)
        stored, history[slot] = history[slot], _copy(image)
        return stored.to(image)

    def undo(self) -> None:
        """Restore the histories from before the latest step's queries; a second call changes nothing."""
        self._stored.update(self._before)
        self._before.clear()

    def state_dict(self) -> dict[str, Tensor]:
        """Return all stored images, ``"POSITION.NUMBER"`` → (1, C, H, W); the keys of different processes differ.

        Positions that other processes use since merged states were loaded are left out.
        """
        return {
            f"{position}.{slot}": image
            for position, history in self._stored.items()
            if position in self._own or not self._own
            for slot, image in enumerate(history)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Replace all stored images by a state from ``state_dict``, or by the merged states of several processes.

        Raises GanzooError if a history in it is longer than this pool's size.
        """
        numbers = sorted(tuple(map(int, key.split("."))) for key in state)
        longest = max((slot + 1 for _, slot in numbers), default=0)
        if longest > self.size:
            raise GanzooError(f"the saved image pool has {longest} images a position, but pool is {self.size}")
        self._before.clear()
        self._stored.clear()
        self._own.clear()
        for position, slot in numbers:
            self._stored.setdefault(position, []).append(state[f"{position}.{slot}"])


def _copy(image: Tensor) -> Tensor:
    # A slice would keep its whole batch in memory; loaded checkpoints have the contiguous format too.
    return image.clone(memory_format=torch.contiguous_format)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
