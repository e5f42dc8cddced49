"""Build what the discriminators of a recipe see in training."""

from __future__ import annotations

from ganzoo.engine.discriminators.view import View
from ganzoo.interfaces import Dataset, Method
from ganzoo.recipe.discriminator_options import DiscriminatorOptions
from ganzoo.recipe.schema import Recipe


def build_views(recipe: Recipe, method: Method, dataset: Dataset) -> dict[str, View]:
    """Return slot → view for the discriminators that see changed images in training: augmented, or with noise."""
    views = {}
    for name, part in recipe.networks.items():
        slot = method.slots[name]
        if slot.kind == "discriminator":
            options = DiscriminatorOptions(**part.kind_options)
            if options.changes_images:
                parts = [dataset.channels[domain] for domain in slot.reads]
                labels = [i for i, domain in enumerate(slot.reads) if domain in dataset.classes]
                views[name] = View(method.networks[name], name, options, parts, labels)
    return views
