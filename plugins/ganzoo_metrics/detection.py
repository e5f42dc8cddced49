"""Class logits of the boxes that a detector reports; ``entropy_detection`` uses them."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def box_logits(detector: Any, image: Tensor, threshold: float) -> Tensor:
    """Return the class logits of the boxes that a Faster R-CNN of torchvision reports for an image: (boxes, K).

    torchvision reports a class and its probability with each box, not the logits; this function finds the proposals
    that the boxes come from. A proposal that is reported for several classes counts once. Sets the detector's
    threshold.

    Args:
        detector: the network.
        image: the image, (3, H, W) in [0, 1].
        threshold: the probability of a class above which a box is reported.
    """
    from torchvision.ops import clip_boxes_to_image  # type: ignore[import-untyped]  # slow import: takes seconds

    heads = detector.roi_heads
    heads.score_thresh = threshold
    batch, _ = detector.transform([image])
    features = detector.backbone(batch.tensors)
    proposals, _ = detector.rpn(batch, features)
    logits, deltas = heads.box_predictor(heads.box_head(heads.box_roi_pool(features, proposals, batch.image_sizes)))
    (boxes,), (scores,), (labels,) = heads.postprocess_detections(logits, deltas, proposals, batch.image_sizes)
    moved = clip_boxes_to_image(heads.box_coder.decode(deltas, proposals), batch.image_sizes[0])
    origins = (logits.softmax(1)[:, labels] == scores) & (moved[:, labels] == boxes).all(2)
    return logits[origins.any(1)]
