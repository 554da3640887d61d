"""What this machine and this torch can do, and in which words a peer is left out."""

import shutil
from dataclasses import dataclass

import torch

try:
    import triton
except ImportError:
    triton = None


@dataclass(frozen=True)
class Capabilities:
    """Sentences are empty where nothing is missing. With `emulates`, Triton's kernels are checked by the stand-in, never timed."""

    device: torch.device
    emulates: bool = False

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def compile_missing(self) -> str:
        if not hasattr(torch, "compile"):
            return f"left out: torch {torch.__version__} has no torch.compile"
        if self.is_cuda:
            return "" if triton else "left out: torch.compile needs Triton on a GPU"
        return "" if shutil.which("g++") or shutil.which("clang++") else "left out: torch.compile needs a C++ compiler on a CPU"

    @property
    def graph_missing(self) -> str:
        return "" if self.is_cuda else "left out: CUDA graphs need a GPU"

    @property
    def triton_missing(self) -> str:
        if self.emulates:
            return "" if triton is None else "left out: Triton is installed, so its kernels are not emulated"
        if not self.is_cuda:
            return "left out: Triton needs a GPU"
        return "" if triton else "left out: Triton is not installed"

    @property
    def triton_float32(self) -> str:
        """tl.dot's input_precision with float32's accuracy."""
        return "tf32x3" if self.is_cuda and torch.cuda.get_device_capability(self.device) >= (8, 0) else "ieee"


def compiled(function):
    """torch.compile for fixed shapes. What was compiled before is forgotten: after eight shapes torch would stop compiling."""
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, dynamic=False)
