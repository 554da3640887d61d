"""Launches of the contrastive loss's Triton kernels, forward and backward, with their memory."""

import math
from dataclasses import dataclass

import torch

from . import triton_kernels as kernels
from .workloads import LossBatch

BLOCK = 1024  # labels of a step of the selection, anchors of a step of the last sums
FEW_IMAGES = 1024  # up to here every program selects the rows itself, which saves a launch


@dataclass(frozen=True)
class Tiling:
    """How the work is cut: rows and columns of a tile, parts of the contrasts forward, warps and stages."""

    rows: int
    columns: int
    splits: int
    warps: int
    stages: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns} tiles, {self.splits} parts, {self.warps} warps, {self.stages} stages"


SMALL = [Tiling(16, 32, 8, 4, 1), Tiling(16, 64, 4, 4, 1), Tiling(32, 64, 4, 4, 2), Tiling(32, 32, 8, 4, 2)]
LARGE = [Tiling(64, 64, 2, 4, 1), Tiling(64, 64, 2, 4, 2), Tiling(64, 32, 2, 4, 2), Tiling(128, 64, 1, 8, 2), Tiling(128, 32, 1, 8, 2)]


def tilings(anchors: int) -> list[Tiling]:
    """What is tried on a GPU before the fastest is timed."""
    return SMALL if anchors <= 256 else LARGE


class TritonLoss:
    """The loss of a batch and its gradient.

    precision: tl.dot's input_precision for float32 rows ("tf32x3" on tensor cores, "ieee" without them), or "bf16".
    """

    def __init__(self, batch: LossBatch, is_fused: bool, precision: str, tiling: Tiling):
        workload, device = batch.workload, batch.features.device
        if workload.width & (workload.width - 1) or workload.width < 16:
            raise ValueError(f"The width is {workload.width}; these kernels need a power of two from 16.")
        self.batch, self.is_fused, self.tiling = batch, is_fused, tiling
        self.shape = (workload.images, workload.outliers)
        self.inverse_temperature = 1 / workload.temperature
        self.scale = math.log2(math.e) / workload.temperature
        slots = 2 * workload.images
        self.features = batch.features.detach()
        self.is_tail = batch.is_tail.to(torch.uint8)
        self.order = torch.zeros(slots, dtype=torch.int32, device=device)
        self.count = torch.zeros(1, dtype=torch.int32, device=device)
        self.ticket = torch.zeros(1, dtype=torch.int32, device=device)
        self.partials = torch.empty(tiling.splits * 4 * slots, device=device)
        self.state = torch.empty(3 * slots, device=device)
        self.loss = torch.empty(1, device=device)
        self.upstream = torch.ones(1, device=device)
        self.gradient = torch.empty_like(self.features)
        self.constants = {
            "FIXED": is_fused, "WIDTH": workload.width, "BF16": precision == "bf16",
            "PRECISION": "ieee" if precision == "bf16" else precision, "ROWS": tiling.rows, "COLUMNS": tiling.columns,
        }
        self.launch = {"num_warps": tiling.warps, "num_stages": tiling.stages}
        self.row_blocks = -(-slots // tiling.rows)
        self.outlier_blocks = -(-workload.outliers // tiling.rows)

    @property
    def launches(self) -> tuple[int, int]:
        """Forward, backward."""
        return 1 if self.shape[0] <= FEW_IMAGES else 2, 1 if self.is_fused else 2

    def forward(self) -> torch.Tensor:
        """Computes the loss, and keeps what backward needs."""
        batch, selects_itself = self.batch, self.shape[0] <= FEW_IMAGES
        if not selects_itself:
            kernels.select[(1,)](batch.labels, self.is_tail, self.order, self.count, self.shape[0], BLOCK=BLOCK, num_warps=4)
        kernels.statistics[(self.row_blocks, self.tiling.splits)](
            self.features, batch.labels, self.is_tail, batch.weights, self.order, self.count, self.partials, self.state, self.ticket,
            self.loss, *self.shape, self.scale, SELECTS=selects_itself, BLOCK=BLOCK, **self.constants, **self.launch)
        return self.loss

    def both(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes the loss and its gradient with respect to the features, (2N + K, d)."""
        self.forward()
        if self.is_fused:
            self._backward(self.row_blocks + self.outlier_blocks, True, True)
        else:
            self._backward(self.row_blocks, True, False)
            self._backward(self.row_blocks + self.outlier_blocks, False, True)
        return self.loss, self.gradient

    def _backward(self, blocks: int, as_anchor: bool, as_contrast: bool) -> None:
        kernels.gradient[(blocks,)](
            self.features, self.batch.labels, self.order, self.count, self.state, self.upstream, self.gradient, *self.shape,
            self.scale, self.inverse_temperature, AS_ANCHOR=as_anchor, AS_CONTRAST=as_contrast, **self.constants, **self.launch)
