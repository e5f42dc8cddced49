"""Compile networks with ``torch.compile`` (``train.compile``); evaluation and translation run them uncompiled."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from ganzoo.errors import MissingResourceError
from ganzoo.settings import Compile

RECOMPILATIONS = 64
"""How often torch may compile a function anew. Networks of one class share theirs, and each batch size, and each
combination of trained and frozen weights, needs its own."""
VECTOR_BITS = 256
"""Width of a CPU's vectors in compiled code. With AVX-512's 512 bits torch 2.14 computes NaN as gradients in bf16,
for networks such as CycleGAN's; a step with 256 bits takes about as long."""


def compile_networks(networks: Mapping[str, nn.Module], setting: Compile) -> None:
    """Compile each network by itself, in place: its modules, weights and names stay. Nothing happens for False.

    Networks that a method calls by functions of their own (``encode``, ``decode``) are compiled part by part. The
    compilation itself happens at the first calls. Raises MissingResourceError without a C++ compiler.
    """
    if not setting:
        return
    require_compiler()
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, RECOMPILATIONS)
    if torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        from torch._inductor import config  # slow to import

        config.cpp.simdlen = config.cpp.simdlen or VECTOR_BITS
    for network in networks.values():
        for module in (network, *_parts(network)):
            module.compile(mode=setting if isinstance(setting, str) else None)


def begin_step(setting: Compile) -> None:
    """Say that a training step begins, for CUDA graphs (``reduce-overhead``).

    They reuse the memory of earlier passes. torch takes a forward pass after a backward one for the next step, but in a
    step of several phases or micro-batches earlier results are still needed then.
    """
    if isinstance(setting, str):
        torch.compiler.cudagraph_mark_step_begin()


def _parts(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the parts of a network that its own functions call: its children, and those of lists and dictionaries."""
    for child in network.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _parts(child)
        else:
            yield child


def require_compiler() -> None:
    """Raise MissingResourceError unless torch will find a C++ compiler."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    wanted = os.environ.get("CXX", usual)
    if not shutil.which(wanted):
        raise MissingResourceError(
            f"train.compile needs a C++ compiler, and {wanted} is not installed; install it, name another one in the "
            "environment variable CXX, or set train.compile to false"
        )


def uncompiled(setting: Compile) -> AbstractContextManager[object]:
    """Return a context in which compiled networks run as if they were not; for False it changes nothing."""
    return torch.compiler.set_stance("force_eager") if setting else nullcontext()
