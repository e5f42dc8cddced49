from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces.image_pool import ImagePool
from ganzoo.randomness import Draws, keyed


def draws(step: int, samples: Sequence[int]) -> Draws:
    return Draws([keyed(0, step, sample, "pool") for sample in samples])


def numbered(*numbers: float) -> Tensor:
    """Images that differ by their value."""
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def ask(pool: ImagePool, step: int, positions: Sequence[int] = (0,), base: float = 0) -> list[float]:
    images = numbered(*(base + 10 * step + position for position in positions))
    return pool.query(images, positions, draws(step, positions))[:, 0, 0, 0].tolist()


def test_exact_rule() -> None:
    pool, histories = ImagePool(3), dict[int, list[float]]({0: [], 1: []})
    for step in range(60):
        expected = []
        for position, (coin, place) in zip((0, 1), draws(step, (0, 1)).uniform(2).tolist(), strict=True):
            new, history = float(10 * step + position), histories[position]
            if len(history) < 3:
                history.append(new)
                expected.append(new)
            elif coin < 0.5:
                slot = int(place * 3)
                expected.append(history[slot])
                history[slot] = new
            else:
                expected.append(new)
        assert ask(pool, step, (0, 1)) == expected


def test_returns_the_new_image_half_the_time_and_every_slot_equally_often() -> None:
    pool, new = ImagePool(4), 0
    for step in range(4):
        assert ask(pool, step) == [10 * step]
    replaced = [0] * 4
    for step in range(4, 1604):
        before = pool.state_dict()
        new += ask(pool, step) == [10 * step]
        after = pool.state_dict()
        for slot in range(4):
            replaced[slot] += not before[f"0.{slot}"].equal(after[f"0.{slot}"])
    assert 720 < new < 880
    assert sum(replaced) == 1600 - new
    assert all(150 < count < 250 for count in replaced)


def test_the_caller_may_choose_which_images_are_exchanged() -> None:
    pool = ImagePool(1)
    ask(pool, 0, (0, 1))
    chosen = pool.query(numbered(10, 11), (0, 1), draws(1, (0, 1)), exchanged=(True, False))
    assert chosen[:, 0, 0, 0].tolist() == [0, 11]
    again = pool.query(numbered(20, 21), (0, 1), draws(2, (0, 1)), exchanged=(True, True))
    assert again[:, 0, 0, 0].tolist() == [10, 1]


def test_a_full_pool_uses_as_many_draws() -> None:
    for size in (0, 1, 5):
        pool, rng = ImagePool(size), draws(0, (0,))
        for step in range(3):
            pool.query(numbered(step), (0,), rng)
        following = draws(0, (0,))
        following.uniform(6)
        assert rng.uniform(1).equal(following.uniform(1))


def test_size_zero_is_the_identity() -> None:
    pool, images = ImagePool(0), torch.randn(2, 3, 4, 4, requires_grad=True)
    for step in range(5):
        returned = pool.query(images, (0, 1), draws(step, (0, 1)))
        assert returned.equal(images)
        assert not returned.requires_grad
    assert pool.state_dict() == {}


def test_returned_images_are_detached_copies() -> None:
    pool, images = ImagePool(1), torch.randn(1, 3, 4, 4, requires_grad=True)
    returned = pool.query(images * 2, (0,), draws(0, (0,)))
    assert not returned.requires_grad
    kept = pool.state_dict()["0.0"].clone()
    returned.zero_()
    with torch.no_grad():
        images.zero_()
    assert pool.state_dict()["0.0"].equal(kept)


def test_one_process_or_two() -> None:
    one, two = ImagePool(2), (ImagePool(2), ImagePool(2))
    for step in range(30):
        both = ask(two[0], step, (0, 1)) + ask(two[1], step, (2, 3))
        assert ask(one, step, (0, 1, 2, 3)) == both
    union = {**two[0].state_dict(), **two[1].state_dict()}
    assert len(union) == 8
    assert sorted(union) == sorted(one.state_dict())


def test_state_round_trip_is_exact_even_while_filling() -> None:
    for steps in (2, 20):
        pool, resumed = ImagePool(12), ImagePool(12)
        for step in range(steps):
            ask(pool, step, (0, 7))
        ask(resumed, 99)
        resumed.load_state_dict(pool.state_dict())
        assert all(image.is_contiguous() for image in pool.state_dict().values())
        for step in range(steps, steps + 40):
            assert ask(resumed, step, (0, 7)) == ask(pool, step, (0, 7))


def test_a_longer_history_is_refused() -> None:
    pool = ImagePool(3)
    for step in range(3):
        ask(pool, step)
    with pytest.raises(GanzooError, match="has 3 images a position, but pool is 2"):
        ImagePool(2).load_state_dict(pool.state_dict())


def values(pool: ImagePool) -> dict[str, float]:
    return {name: image.mean().item() for name, image in pool.state_dict().items()}


def test_undo_while_filling_and_while_swapping() -> None:
    pool, changed = ImagePool(2), 0
    for step in range(30):
        before = values(pool)
        ask(pool, step, (0, 1), base=1000)
        changed += values(pool) != before
        pool.undo()
        assert values(pool) == before
        pool.undo()
        assert values(pool) == before
        ask(pool, step, (0, 1))
    assert changed > 10


def test_undo_removes_all_micro_batches_of_a_step_and_no_more() -> None:
    pool = ImagePool(2)
    for step in range(30):
        before = values(pool)
        ask(pool, step, (0,), base=1000)
        ask(pool, step, (1,), base=1000)
        pool.undo()
        assert values(pool) == before
        ask(pool, step, (0,))
        ask(pool, step, (1,))


def test_undo_leaves_positions_that_are_not_in_the_latest_step() -> None:
    pool = ImagePool(2)
    ask(pool, 0, (0, 1))
    ask(pool, 1, (0,))
    pool.undo()
    assert values(pool) == {"0.0": 0.0, "1.0": 1.0}


def test_loading_a_state_clears_undo() -> None:
    pool, other = ImagePool(2), ImagePool(2)
    ask(other, 5)
    ask(pool, 0)
    pool.load_state_dict(other.state_dict())
    pool.undo()
    assert values(pool) == {"0.0": 50.0}


def test_the_memory_format_is_that_of_the_images() -> None:
    for layout in (torch.channels_last, torch.contiguous_format):
        pool, stored = ImagePool(1), 0
        for step in range(12):
            images = torch.randn(1, 3, 4, 4).contiguous(memory_format=layout)
            returned = pool.query(images, (0,), draws(step, (0,)))
            stored += not returned.equal(images)
            assert returned.is_contiguous(memory_format=layout)
        assert stored


def test_sizes_may_change_at_batch_one_only() -> None:
    def small_then_large(positions: tuple[int, ...]) -> set[torch.Size]:
        pool = ImagePool(1)
        for step in range(30):
            side = 2 if step == 0 else 3
            images = torch.zeros(len(positions), 3, side, side)
            pool.query(images, positions, draws(step, positions))
        return {image.shape for image in pool.state_dict().values()}

    assert small_then_large((0,)) == {(1, 3, 3, 3)}
    with pytest.raises(GanzooError, match="several sizes \\(3×2×2, 3×3×3\\), which cannot share a batch"):
        small_then_large((0, 1))
