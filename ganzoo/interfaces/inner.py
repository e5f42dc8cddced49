"""Components inside components: the type of an option whose value is itself a component, such as a discriminator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Inner(ABC):
    """A component that a recipe names in an option of another component, with its checked options; not yet built.

    Name its kind in the option's type, with ``InnerDiscriminator``, ``InnerMasker`` or ``InnerKind``; the type may also
    be ``InnerMasker | None`` or ``tuple[InnerMasker, ...]``. Then recipes write the option as they write a component
    anywhere, ``of: patch`` or ``of: {discriminator: patch, layers: 2}``, and mistakes in it are reported as usual.

    Build the component in the constructor, as often as it is needed::

        class TwoOpinions(nn.Module):
            def __init__(self, in_channels: int, *, of: InnerDiscriminator) -> None:
                super().__init__()
                self.opinions = nn.ModuleList(of.make(in_channels) for _ in range(2))

            def forward(self, images: Tensor) -> list[Tensor]:
                return [opinion(images) for opinion in self.opinions]

    Of the options that every component of a kind takes, an inner masker takes those of its post-processing: apply them
    with ``MaskTransform(**inner.kind_options)``. An inner discriminator takes none: ``augment``, ``noise`` and
    ``spectral_norm`` of the outer one hold for all of it.
    """

    options: dict[str, Any]
    """The component's own options, with defaults filled in."""
    kind_options: dict[str, Any]
    """The options that every component of its kind has."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The component's name in recipes."""

    @abstractmethod
    def make(self, *args: Any) -> Any:
        """Return a new instance.

        Args:
            args: the values that ganzoo passes to this kind: ``in_channels`` to a discriminator, none to a masker.

        Raises GanzooError as the component's constructor does.
        """


@dataclass(frozen=True)
class InnerKind:
    """The kind of the components that an option takes: ``Annotated[Inner, InnerKind("loss")]``.

    Args:
        kind: the kind.
    """

    kind: str

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        """Return pydantic's schema: a value is read by the function in the context of the validation."""
        return core_schema.with_info_plain_validator_function(self._read)

    def _read(self, value: Any, info: core_schema.ValidationInfo) -> Inner:
        if isinstance(value, Inner):
            return value
        if info.context is None:
            raise PydanticCustomError("inner_component", "input should be a component that a recipe names")
        inner: Inner = info.context(self.kind, value)
        return inner


InnerDiscriminator = Annotated[Inner, InnerKind("discriminator")]
"""The type of an option that takes a discriminator."""
InnerMasker = Annotated[Inner, InnerKind("masker")]
"""The type of an option that takes a masker."""
