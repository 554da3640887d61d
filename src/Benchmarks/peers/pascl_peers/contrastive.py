"""The suite of the contrastive loss."""

from functools import partial
from typing import Callable

import torch

from . import contrastive_torch, oracle
from .capabilities import Capabilities, compiled
from .contrastive_triton import SMALL, TritonLoss, tilings
from .peer import Peer
from .timing import Graphed, measure
from .workloads import LossBatch

SUITE = "contrastive"
PASSES = {"forward": "forward", "forward + backward": "both"}


class TorchLoss:
    """A loss by torch's operations and its gradient by autograd."""

    def __init__(self, loss: Callable[..., torch.Tensor], batch: LossBatch):
        self.loss, self.features = loss, batch.features
        self.others = (batch.labels, batch.is_tail, batch.weights, batch.workload.temperature)

    def forward(self) -> torch.Tensor:
        return self.loss(self.features, *self.others)

    def both(self) -> tuple[torch.Tensor, torch.Tensor]:
        loss = self.loss(self.features, *self.others)
        return loss.detach(), torch.autograd.grad(loss, self.features)[0]


def peers(batch: LossBatch, expected: tuple[float, torch.Tensor], have: Capabilities) -> list[Peer]:
    """All implementations of a workload; `expected` is the oracle's loss and gradient."""

    def torch_peer(name: str, loss: Callable, missing: str = "", is_graphed: bool = False, is_compiled: bool = False) -> Peer:
        def build(copies: int) -> list[object]:
            function = compiled(loss) if is_compiled else loss
            return _steps(batch, partial(TorchLoss, function), copies, is_graphed)

        return Peer(name, "float32", build, partial(verify, expected), PASSES, missing)

    def triton_peer(name: str, is_fused: bool, precision: str, is_graphed: bool) -> Peer:
        chosen = []

        def build(copies: int) -> list[object]:
            make = partial(TritonLoss, is_fused=is_fused, precision=precision)
            chosen.append(_fastest(batch, make, have))
            return _steps(batch, partial(make, tiling=chosen[-1]), copies, is_graphed)

        def note(step) -> str:
            forward, backward = (step.step if is_graphed else step).launches
            return f"{forward} + {backward} launches; {chosen[-1]}"

        width = "bfloat16" if precision == "bf16" else "float32"
        return Peer(name, width, build, partial(verify, expected), PASSES, have.triton_missing, note=note)

    masked, picked = contrastive_torch.masked, contrastive_torch.picked
    listed = [
        torch_peer("authors' operations, eager", contrastive_torch.authors),
        torch_peer("clean, masked, eager", masked),
        torch_peer("clean, picked rows, eager", picked),
        torch_peer("clean, masked, torch.compile", masked, have.compile_missing, is_compiled=True),
        torch_peer("clean, masked, CUDA graph", masked, have.graph_missing, is_graphed=True),
        torch_peer("clean, masked, torch.compile in a CUDA graph", masked, have.compile_missing or have.graph_missing, True, True),
    ]
    for algorithm, is_fused in (("our algorithm", True), ("two-pass recompute", False)):
        for precision in (have.triton_float32, "bf16"):
            listed.append(triton_peer(f"{algorithm} in Triton, {precision}", is_fused, precision, is_graphed=False))
            if have.is_cuda:
                listed.append(triton_peer(f"{algorithm} in Triton, {precision}, CUDA graph", is_fused, precision, is_graphed=True))
    return listed


def verify(expected: tuple[float, torch.Tensor], step) -> float:
    """The larger relative error of the loss of either pass and of the gradient."""
    alone = float(step.forward())
    loss, gradient = step.both()
    of_losses = max(abs(value - expected[0]) / max(abs(expected[0]), 1e-300) for value in (alone, float(loss)))
    return max(of_losses, oracle.relative_error(gradient, expected[1]), key=lambda error: float("inf") if error != error else error)


def _steps(batch: LossBatch, make: Callable[[LossBatch], object], copies: int, is_graphed: bool) -> list[object]:
    if is_graphed:
        # Each graph keeps its own memory; three matrices of similarities is what the clean loss holds.
        free = torch.cuda.mem_get_info()[0]
        copies = max(1, min(copies, free // 4 // (6 * batch.workload.similarity_bytes)))
    steps = [make(batch if index == 0 else batch.copy()) for index in range(copies)]
    return [Graphed(step) for step in steps] if is_graphed else steps


def _fastest(batch: LossBatch, make: Callable[..., TritonLoss], have: Capabilities):
    """The tiling whose replayed forward and backward take least; those that do not fit the GPU are left out."""
    if not have.is_cuda:
        return SMALL[2]
    times, problems = {}, []
    for tiling in tilings(batch.workload.anchors):
        try:
            times[tiling] = measure([Graphed(make(batch, tiling=tiling)).both], batch.features.device, seconds=0.05).median
        except Exception as problem:  # what Triton raises for a tiling that does not fit has no common base
            problems.append(problem)
            torch.cuda.synchronize()
    if not times:
        raise problems[0]
    return min(times, key=times.get)
