"""Learning-rate schedules that methods use: linear decay and repeated halving."""

from __future__ import annotations


def linear_decay(done: int, total: int, decay: float) -> float:
    """Return the factor of the learning rate: first 1, then a linear decay over the last share ``decay`` of the run.

    With n constant and m decaying epochs, and e counted from 1: 1 − max(0, e − n)/(m + 1), as in CycleGAN's released
    code (Zhu et al. 2017, section 4), where n = m = 100. The factor of the last epoch is 1/(m + 1).

    Args:
        done: the number of finished epochs, or of finished steps.
        total: the run's length in the same unit.
        decay: the share of the run in which the factor decreases, 0 … 1.

    >>> [linear_decay(done, 4, 0.5) for done in range(4)]
    [1.0, 1.0, 0.6666666666666667, 0.33333333333333337]
    """
    falling = round(total * decay)
    return 1.0 - max(0, done + 1 - (total - falling)) / (falling + 1)


def halvings(step: int, every: int) -> float:
    """Return the factor of a learning rate that is halved after each ``every`` steps: ½ to the power of ⌊step / every⌋.

    The source is Huang et al. 2018, appendix A.

    >>> [halvings(step, 100) for step in (0, 99, 100, 250)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return float(0.5 ** (step // every))
