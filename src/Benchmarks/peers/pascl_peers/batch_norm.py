"""The suite of BatchNorm with the running statistics of both branches and the rectifier after it."""

from contextlib import nullcontext
from functools import partial

import torch
from torch.nn import functional

from . import oracle
from .capabilities import Capabilities, compiled
from .peer import Peer
from .workloads import BatchNormWorkload

SUITE = "batch-norm"
PASSES = {"forward": "forward", "forward + backward": "both"}


class Batch:
    """A batch and what comes back to it, random, the same numbers as in our benchmarks."""

    def __init__(self, workload: BatchNormWorkload, device: torch.device):
        generator = torch.Generator().manual_seed(1)
        self.workload = workload
        self.inputs = torch.randn(workload.shape, generator=generator).to(device)
        self.upstream = torch.randn(workload.shape, generator=generator).to(device)


class TwoBatchNorms:
    """One BatchNorm of all images and a rectifier; another of the in-distribution images, for its statistics alone."""

    def __init__(self, batch: Batch, memory_format: torch.memory_format, uses_cudnn: bool, is_compiled: bool):
        device, channels = batch.inputs.device, batch.workload.channels
        self.inputs = batch.inputs.clone(memory_format=memory_format).requires_grad_()
        self.upstream = batch.upstream.clone(memory_format=memory_format)
        self.images = batch.workload.in_distribution_images
        self.main = torch.nn.BatchNorm2d(channels).to(device)
        self.auxiliary = torch.nn.BatchNorm2d(channels, affine=False).to(device)
        self.without_cudnn = device.type == "cuda" and not uses_cudnn
        self.function = compiled(self._normalise) if is_compiled else self._normalise

    def forward(self) -> torch.Tensor:
        with torch.backends.cudnn.flags(enabled=False) if self.without_cudnn else nullcontext():
            return self.function(self.inputs)

    def both(self) -> tuple[torch.Tensor, ...]:
        """Gradients with respect to the batch, the weight and the bias."""
        return torch.autograd.grad(self.forward(), [self.inputs, self.main.weight, self.main.bias], self.upstream)

    def results(self) -> dict[str, torch.Tensor]:
        """What the oracle computes; the running statistics are those after one batch."""
        for branch in (self.main, self.auxiliary):
            branch.reset_running_stats()
        output = self.forward().detach()
        statistics = {
            f"{name} {part}": tensor.clone()
            for name, branch in (("main", self.main), ("auxiliary", self.auxiliary))
            for part, tensor in (("mean", branch.running_mean), ("variance", branch.running_var))
        }
        return {"output": output, "gradient": self.both()[0], **statistics}

    def _normalise(self, inputs: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.auxiliary(inputs[: self.images])
        return functional.relu(self.main(inputs))


def peers(batch: Batch, expected: dict[str, torch.Tensor], have: Capabilities) -> list[Peer]:
    """All implementations of a workload; `expected` is what the oracle computes."""

    def peer(name: str, channels_last: bool = False, uses_cudnn: bool = True, is_compiled: bool = False, missing: str = "") -> Peer:
        def build(copies: int) -> list[TwoBatchNorms]:
            memory_format = torch.channels_last if channels_last else torch.contiguous_format
            return [TwoBatchNorms(batch, memory_format, uses_cudnn, is_compiled) for _ in range(1 if is_compiled else copies)]

        return Peer(name, "float32", build, partial(verify, expected), PASSES, missing)

    no_gpu = "" if have.is_cuda else "left out: cuDNN needs a GPU"
    return [
        peer("two BatchNorms + ReLU, native, NCHW", uses_cudnn=False),
        peer("two BatchNorms + ReLU, cuDNN, NCHW", missing=no_gpu),
        peer("two BatchNorms + ReLU, native, channels last", channels_last=True, uses_cudnn=False),
        peer("two BatchNorms + ReLU, cuDNN, channels last", channels_last=True, missing=no_gpu),
        peer("two BatchNorms + ReLU, torch.compile, NCHW", is_compiled=True, missing=have.compile_missing),
        peer("two BatchNorms + ReLU, torch.compile, channels last", channels_last=True, is_compiled=True, missing=have.compile_missing),
    ]


def verify(expected: dict[str, torch.Tensor], step: TwoBatchNorms) -> float:
    """The largest relative error; a mean is near 0, so its error counts against the size of the variances, which are near 1."""
    results = step.results()
    sizes = {name: expected[name.replace("mean", "variance")].norm().item() for name in expected}
    errors = [(results[name].double() - expected[name]).norm().item() / sizes[name] for name in expected]
    return max(errors, key=lambda error: float("inf") if error != error else error)
