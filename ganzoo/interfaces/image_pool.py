"""The image pool: a discriminator also sees what the generator made earlier (Shrivastava et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.randomness import Draws


class ImagePool:
    """Keep a history of images for each position in the global batch: the same on any number of processes.

    Image by image: while its position's history is not full, it is stored and returned; then, with
    probability ½, a random stored one is returned and the new one takes its place, else the new one is
    returned (Zhu et al. 2017, section 4: 50 images).

    Args:
        size: images of each position's history; 0 returns what comes in.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._stored: dict[int, list[Tensor]] = {}
        self._before: dict[int, list[Tensor]] = {}
        """The histories of the latest step's positions, as they were before it."""

    def query(self, images: Tensor, positions: Sequence[int], rng: Draws) -> Tensor:
        """Return new or stored images for new ones, (B, C, H, W) both, without gradient.

        Args:
            images: generated ones.
            positions: each image's place in the global batch (``step.positions``), all different.
            rng: two uniform draws an image are taken, whether they are needed or not.

        Raises GanzooError when new and stored images of different sizes would have to share a batch.
        """
        images = images.detach()
        # A position that comes again begins a new step; until then the queries are micro-batches of one.
        if not self._before.keys().isdisjoint(positions):
            self._before.clear()
        chosen = [
            self._exchange(image, position, coin, place)
            for image, position, (coin, place) in zip(images.split(1), positions, rng.uniform(2).tolist(), strict=True)
        ]
        sizes = {tuple(image.shape[1:]) for image in chosen}
        if len(sizes) > 1:
            raise GanzooError(
                f"the image pool holds images of several sizes ({', '.join(map(_size, sorted(sizes)))}), "
                "which cannot share a batch: give all images one size, or take batch: 1 or pool: 0"
            )
        # In the layout that came in, so that a compiled network sees one layout only.
        last = images.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        return torch.cat(chosen).contiguous(memory_format=layout)

    def _exchange(self, image: Tensor, position: int, coin: float, place: float) -> Tensor:
        history = self._stored.setdefault(position, [])
        self._before[position] = list(history)
        if len(history) < self.size:
            history.append(_copy(image))
            return image
        if self.size == 0 or coin >= 0.5:
            return image
        slot = int(place * self.size)
        old, history[slot] = history[slot], _copy(image)
        return old.to(image)

    def undo(self) -> None:
        """Take back what the queries of the latest step stored; calling it again changes nothing."""
        self._stored.update(self._before)
        self._before.clear()

    def state_dict(self) -> dict[str, Tensor]:
        """Return all stored images (1, C, H, W) under ``"position.slot"``: no two processes share a key."""
        return {
            f"{position}.{slot}": image
            for position, history in self._stored.items()
            for slot, image in enumerate(history)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state_dict`` gave, of one process or of several together.

        Raises GanzooError when a history is longer than this pool's.
        """
        numbers = sorted(tuple(map(int, key.split("."))) for key in state)
        longest = max((slot + 1 for _, slot in numbers), default=0)
        if longest > self.size:
            raise GanzooError(f"the saved image pool has {longest} images a position, but pool is {self.size}")
        self._before.clear()
        self._stored.clear()
        for position, slot in numbers:
            self._stored.setdefault(position, []).append(state[f"{position}.{slot}"])


def _copy(image: Tensor) -> Tensor:
    # A slice would keep its whole batch alive; the layout is the one that a saved file gives back.
    return image.clone(memory_format=torch.contiguous_format)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
