"""Metrics of translations. Uses the package ganzoo_maskers to read weights files."""

from __future__ import annotations

from pathlib import Path

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the metrics, and list the weights that they use."""
    registry.add_weights(Path(__file__).with_name("weights.toml"))
    registry.add("metric", "cycle_l1", "ganzoo_metrics.cycle_errors:CycleL1")
    registry.add("metric", "identity_l1", "ganzoo_metrics.cycle_errors:IdentityL1")
    registry.add("metric", "pair_l1", "ganzoo_metrics.pairs:PairL1")
    registry.add("metric", "psnr", "ganzoo_metrics.pairs:PSNR")
    registry.add("metric", "ssim", "ganzoo_metrics.structure:SSIM")
    registry.add("metric", "lpips", "ganzoo_metrics.lpips:LPIPS")
    registry.add("metric", "dists", "ganzoo_metrics.dists:DISTS")
    registry.add("metric", "clip_similarity", "ganzoo_metrics.clip_distances:ClipSimilarity")
    registry.add("metric", "cmmd", "ganzoo_metrics.clip_distances:CMMD")
    registry.add("metric", "precision_recall", "ganzoo_metrics.manifolds:PrecisionRecall")
    registry.add("metric", "density_coverage", "ganzoo_metrics.manifolds:DensityCoverage")
    registry.add("metric", "adaptation_accuracy", "ganzoo_metrics.adaptation:AdaptationAccuracy")
    registry.add("metric", "swd", "ganzoo_metrics.sliced:SWD")
    registry.add("metric", "overfitting", "ganzoo_metrics.overfitting:Overfitting")
    registry.add("metric", "identity_distance", "ganzoo_metrics.identity:IdentityDistance")
    registry.add("metric", "entropy_classification", "ganzoo_metrics.entropy:EntropyClassification")
    registry.add("metric", "entropy_segmentation", "ganzoo_metrics.entropy:EntropySegmentation")
    registry.add("metric", "entropy_detection", "ganzoo_metrics.entropy:EntropyDetection")
    registry.add("metric", "miou", "ganzoo_metrics.miou:MeanIoU")
    registry.add("metric", "mask_iou", "ganzoo_metrics.iou:MaskIoU")
    registry.add("metric", "background_l1", "ganzoo_metrics.background:BackgroundL1")
    registry.add("metric", "background_lpips", "ganzoo_metrics.background_lpips:BackgroundLPIPS")
    registry.add("metric", "lpips_diversity", "ganzoo_metrics.styles:LPIPSDiversity")
    registry.add("metric", "style_share", "ganzoo_metrics.styles:StyleShare")
    registry.add("metric", "style_recovery", "ganzoo_metrics.styles:StyleRecovery")
    for name, target in (
        ("fid", "FID"),
        ("fid_legacy_pytorch", "FIDLegacyPyTorch"),
        ("fid_legacy_tensorflow", "FIDLegacyTensorFlow"),
        ("kid", "KID"),
        ("fd", "FD"),
        ("kd", "KD"),
    ):
        registry.add("metric", name, f"ganzoo_metrics.distribution:{target}")
