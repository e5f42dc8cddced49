"""What a docstring says about a class and each of its options."""

from __future__ import annotations

from ganzoo.recipe.option_docs import option_docs, summary
from ganzoo.settings import TrainSettings


class Base:
    """A base.

    Args:
        width: the width of ``conv``,
            in channels.
        depth: the depth.
    """


class Derived(Base):
    """A derived class,
    in two lines.

    More about it.

    Args:
        depth: another depth: 2 or 3.

    Raises GanzooError for other depths:
        width: this is no option.
    """


class Silent:
    pass


def test_options_are_described_by_the_class_and_its_bases() -> None:
    assert option_docs(Derived) == {"width": "the width of `conv`, in channels.", "depth": "another depth: 2 or 3."}
    assert option_docs(Silent) == {}


def test_the_summary_is_the_first_paragraph() -> None:
    assert summary(Derived) == "A derived class, in two lines."
    assert summary(Silent) == ""


def test_settings_describe_each_of_their_options() -> None:
    assert set(option_docs(TrainSettings)) == set(TrainSettings.__dataclass_fields__)
