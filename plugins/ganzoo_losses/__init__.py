"""Auxiliary losses that attach to any method.

Uses the packages ganzoo_maskers (to read weights files), ganzoo_metrics (LPIPS, features of classifiers),
ganzoo_cyclegan (types of options) and ganzoo_baselines (Gram matrices, CUT's contrast).
"""

from __future__ import annotations

from pathlib import Path

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the losses, and list the weights that they use."""
    registry.add_weights(Path(__file__).with_name("weights.toml"))
    registry.add("loss", "l1", "ganzoo_losses.pixels:L1")
    registry.add("loss", "total_variation", "ganzoo_losses.pixels:TotalVariation")
    registry.add("loss", "background", "ganzoo_losses.pixels:Background")
    registry.add("loss", "colour", "ganzoo_losses.colour:Colour")
    registry.add("loss", "edges", "ganzoo_losses.edges:Edges")
    registry.add("loss", "frequency", "ganzoo_losses.frequency:Frequency", paper="https://arxiv.org/abs/2012.12821")
    registry.add("loss", "ssim", "ganzoo_losses.structure:SSIM")
    registry.add("loss", "ms_ssim", "ganzoo_losses.structure:MSSSIM")
    registry.add("loss", "perceptual", "ganzoo_losses.perceptual:Perceptual")
    registry.add("loss", "gram", "ganzoo_losses.gram:Gram", paper="https://arxiv.org/abs/1508.06576")
    registry.add("loss", "lpips", "ganzoo_losses.lpips:LPIPS", paper="https://arxiv.org/abs/1801.03924")
    registry.add("loss", "identity_embedding", "ganzoo_losses.identity_embedding:IdentityEmbedding")
    registry.add("loss", "segmentation_consistency", "ganzoo_losses.segmentation_consistency:SegmentationConsistency")
    registry.add("loss", "patch_nce", "ganzoo_losses.patch_nce:PatchNCE", paper="https://arxiv.org/abs/2007.15651")
    registry.add(
        "loss",
        "feature_matching",
        "ganzoo_losses.feature_matching:FeatureMatching",
        paper="https://arxiv.org/abs/1711.11585",
    )
    registry.add("loss", "geometry", "ganzoo_losses.geometry:Geometry", paper="https://arxiv.org/abs/1809.05852")
    registry.add("loss", "distance", "ganzoo_losses.distance:Distance", paper="https://arxiv.org/abs/1706.00826")
