"""What this machine can train with: asked before a grid runs, so that it does not fail cell by cell."""

import importlib.util
import shutil
import sysconfig
import warnings
from collections.abc import Iterable

import torch

from fitting.errors import Faults
from sweeps.models import Transformer
from sweeps.spec import RunSpec


def require(cells: Iterable[RunSpec]) -> None:
    """Raise `InputError` naming each thing that cells ask for and this machine lacks."""
    faults = Faults()
    recipes = {cell.recipe for cell in cells}
    if any(recipe.precision == "bf16" for recipe in recipes) and not has_bf16():
        faults.add(f'[training] precision: {_device()} has no bf16 arithmetic; use precision = "fp32"')
    if any(recipe.compiled for recipe in recipes) and (missing := _missing_compiler()):
        faults.add(f"[training] compile: torch.compile needs {missing} here; install it, or use compile = false")
    devices = max((recipe.devices for recipe in recipes), default=1)
    if torch.cuda.is_available() and devices > torch.cuda.device_count():
        faults.add(f"[training] devices: asks for {devices} GPUs and this machine has {torch.cuda.device_count()}")
    faults.raise_if_any()


def has_bf16() -> bool:
    """Whether the device that a run would take multiplies in bf16."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


_GRAPHS = 4096
"""Compiled forwards that a process keeps. A worker lives through cells of many shapes, each compiled for the sizes of
its batches; past torch's own limit of 8 it would go on uncompiled, and what a cell's bits are would depend on what its
worker did before."""


def compile_in_place(model: Transformer) -> None:
    """Let torch compile a model's forward at its first use; its weights and their names stay as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's compiler imports what torch has deprecated
        import torch._dynamo

        torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = _GRAPHS
        model.compile(dynamic=False)


def _missing_compiler() -> str | None:
    if torch.cuda.is_available():
        return None if importlib.util.find_spec("triton") else "triton"
    compiler = (sysconfig.get_config_var("CXX") or "g++").split()[0]
    return None if shutil.which(compiler) or shutil.which("g++") or shutil.which("clang++") else "a C++ compiler (g++)"


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "this CPU"
