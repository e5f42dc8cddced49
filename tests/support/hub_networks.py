"""Write small networks of transformers with random weights as the Hugging Face hub has them: three files a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
NECK = {"reassemble_hidden_size": 8, "neck_hidden_sizes": [4, 4, 4, 4], "fusion_hidden_size": 4, "head_hidden_size": 4}
VIT = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 4}
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "depth_anything": (
        {
            "backbone_config": {
                "model_type": "dinov2", "image_size": 28, "patch_size": 14, "out_indices": [1, 2, 3, 4],
                "reshape_hidden_states": False, **VIT,
            },
            "patch_size": 14, **NECK,
        },
        {"size": {"height": 28, "width": 28}, "keep_aspect_ratio": True, "ensure_multiple_of": 14, **IMAGENET},
    ),
    "dpt": (
        {
            "image_size": 32, "patch_size": 16, "intermediate_size": 16, "backbone_out_indices": [0, 1, 2, 3],
            **VIT, **NECK,
        },
        {"size": {"height": 32, "width": 32}, "ensure_multiple_of": 1, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    ),
    "sam": (
        {
            "vision_config": {
                "hidden_size": 8, "output_channels": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                "image_size": 64, "patch_size": 16, "mlp_dim": 8, "num_pos_feats": 16, "global_attn_indexes": [0],
                "window_size": 2,
            },
            "prompt_encoder_config": {
                "hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4,
                "image_embedding_size": 4,
            },
            "mask_decoder_config": {
                "hidden_size": 32, "mlp_dim": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                "iou_head_hidden_dim": 8,
            },
        },
        {"size": {"longest_edge": 64}, **IMAGENET},
    ),
}  # fmt: skip
"""Kind of network → its configuration, and how images are prepared for it."""
CLASSES = {"depth_anything": "DepthAnythingForDepthEstimation", "dpt": "DPTForDepthEstimation", "sam": "SamModel"}


def build_network(kind: str, **changes: Any) -> Any:
    """Return a small network with fixed random weights, in eval mode; its output differs from place to place."""
    import transformers

    config = transformers.AutoConfig.for_model(kind, **{**NETWORKS[kind][0], **changes})
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = getattr(transformers, CLASSES[kind])(config).eval()
        for name, one in network.named_parameters():
            if one.ndim > 1 and "position" not in name:
                torch.nn.init.kaiming_normal_(one)
            elif name.startswith("mask_decoder.iou"):
                one.normal_()  # ratings that differ
            elif kind != "sam" and name.endswith("bias") and name.startswith("head"):
                one.fill_(0.5)  # above the last ReLU
    return network


def write_network(folder: Path, kind: str, **changes: Any) -> Path:
    """Write a small network of a kind, with changes of its configuration, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config, preparation = NETWORKS[kind]
    # The last two keys are what ganzoo must not follow: code of the folder, and another type.
    described = {**config, **changes, "model_type": kind, "auto_map": {"AutoModel": "code.Net"}, "dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(described))
    (folder / "preprocessor_config.json").write_text(json.dumps(preparation))
    state = build_network(kind, **changes).state_dict()
    save_file({name: one.clone() for name, one in state.items()}, folder / "model.safetensors")
    return folder
