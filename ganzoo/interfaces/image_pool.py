"""The image pool: discriminators also see images that were generated earlier (Shrivastava et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.randomness import Draws


class ImagePool:
    """Stores earlier images for each position in the global batch, so that the number of processes does not matter.

    Image by image: while the position's history is not full, the new image is stored and returned. Then, with
    probability ½, a random stored image is returned and the new one replaces it, else the new one is returned (Zhu et
    al. 2017, section 4: 50 images).

    Args:
        size: number of images in each position's history; 0 returns the new images.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._stored: dict[int, list[Tensor]] = {}
        self._before: dict[int, list[Tensor]] = {}
        """Histories of the latest step's positions before that step, for ``undo``."""
        self._own: set[int] = set()
        """Positions of this process: those queried since a state was loaded."""

    def query(self, images: Tensor, positions: Sequence[int], rng: Draws) -> Tensor:
        """Return a new or stored image for each new one, (B, C, H, W), without gradient.

        Args:
            images: new generated images, (B, C, H, W).
            positions: each image's position in the global batch (``step.positions``), all different.
            rng: always used for two uniform draws an image.

        Raises GanzooError when new and stored images of different sizes would share a batch.
        """
        images = images.detach()
        self._own.update(positions)
        # A repeated position starts a new step; queries with other positions are micro-batches of the same step.
        if not self._before.keys().isdisjoint(positions):
            self._before.clear()
        chosen = [
            self._exchange(image, position, coin, choice)
            for image, position, (coin, choice) in zip(images.split(1), positions, rng.uniform(2).tolist(), strict=True)
        ]
        sizes = {tuple(image.shape[1:]) for image in chosen}
        if len(sizes) > 1:
            raise GanzooError(
                f"the image pool holds images of several sizes ({', '.join(map(_size, sorted(sizes)))}), "
                "which cannot share a batch: give all images one size, or set batch: 1 or pool: 0"
            )
        # Keep the memory format of the input, so that a compiled network always sees the same one.
        last = images.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        return torch.cat(chosen).contiguous(memory_format=layout)

    def _exchange(self, image: Tensor, position: int, coin: float, choice: float) -> Tensor:
        """Return the new image or a stored one: ``coin`` decides whether, and ``choice`` which (both from U[0, 1))."""
        history = self._stored.setdefault(position, [])
        self._before[position] = list(history)
        if len(history) < self.size:
            history.append(_copy(image))
            return image
        if self.size == 0 or coin >= 0.5:
            return image
        slot = int(choice * self.size)
        old, history[slot] = history[slot], _copy(image)
        return old.to(image)

    def undo(self) -> None:
        """Remove what the queries of the latest step stored; calling it again changes nothing."""
        self._stored.update(self._before)
        self._before.clear()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the stored images (1, C, H, W) with keys ``"position.slot"``, which differ between processes.

        Positions that other processes use since merged states were loaded are left out.
        """
        return {
            f"{position}.{slot}": image
            for position, history in self._stored.items()
            if position in self._own or not self._own
            for slot, image in enumerate(history)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state of one process, or the merged states of several.

        Raises GanzooError when a history is longer than this pool's size.
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
