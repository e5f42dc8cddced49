"""The bottleneck of ``vit_unet``: a transformer whose tokens are the pixels of a map, with a token for the style."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Self-attention with several heads, which ``torch.export`` can trace for any size of image and batch.

    Args:
        size: length of the tokens.
        heads: number of heads.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.input, self.output = nn.Linear(size, 3 * size), nn.Linear(size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what the tokens (B, n, size) take from each other, of the same shape."""
        queries, keys, values = (
            one.unflatten(2, (self.heads, -1)).transpose(1, 2) for one in self.input(tokens).chunk(3, 2)
        )
        taken = F.scaled_dot_product_attention(queries, keys, values)
        result: Tensor = self.output(taken.transpose(1, 2).flatten(2))
        return result


class Block(nn.Module):
    """A transformer block with pre-norm, whose two residual branches share one factor α, at first 0 (ReZero).

    x ← x + α · attention(LN(x)), then x ← x + α · perceptron(LN(x)) (Torbunov et al. 2023; Bachlechner et
    al. 2020).

    Args:
        size: length of the tokens.
        heads: number of attention heads.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.attention_norm, self.perceptron_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, heads)
        self.perceptron = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the changed tokens, (B, n, size)."""
        tokens = tokens + self.alpha * self.attention(self.attention_norm(tokens))
        return tokens + self.alpha * self.perceptron(self.perceptron_norm(tokens))


class PixelwiseViT(nn.Module):
    """A vision transformer on the pixels of maps, with a Fourier embedding of positions.

    Each pixel's token is a linear layer of [sin(linear(x, y)), features], for positions x and y that run from −1 to 1
    (Anokhin et al. 2021). So the maps may have any size.

    Args:
        channels: number of channels of the maps.
        size: length of the tokens and of the embedding.
        heads: number of attention heads.
        blocks: number of transformer blocks.
        style: whether to add a token that is learned; what it becomes is the style of the image (UVCGANv2).
    """

    def __init__(self, channels: int, *, size: int, heads: int, blocks: int, style: bool) -> None:
        super().__init__()
        self.embedding = nn.Linear(2, size)
        self.input = nn.Linear(size + channels, size)
        self.blocks = nn.Sequential(*(Block(size, heads) for _ in range(blocks)))
        self.output = nn.Linear(size, channels)
        self.style = nn.Parameter(torch.randn(1, 1, size)) if style else None

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the changed maps (B, channels, h, w), and the styles (B, size); without a style token (B, 0)."""
        pixels = maps.flatten(2).transpose(1, 2)
        places = torch.sin(self.embedding(positions(maps).to(pixels.dtype))).expand(maps.shape[0], -1, -1)
        tokens = self.input(torch.cat([places, pixels], 2))
        if self.style is not None:
            tokens = torch.cat([tokens, self.style.to(tokens).expand(maps.shape[0], -1, -1)], 1)
        tokens = self.blocks(tokens)
        count = pixels.shape[1]
        result = self.output(tokens[:, :count]).transpose(1, 2)
        return result.reshape(maps.shape), tokens[:, count:].flatten(1)


def positions(maps: Tensor) -> Tensor:
    """Return the column and the row, from −1 to 1, of each pixel of maps (B, C, h, w), by rows: (1, h · w, 2).

    A side of one pixel has the position −1.
    """
    rows, columns = (torch.arange(side, device=maps.device, dtype=torch.float32) for side in maps.shape[2:])
    y, x = (2 * one / one[-1:].clamp(min=1) - 1 for one in (rows, columns))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).flatten(0, 1)[None]
