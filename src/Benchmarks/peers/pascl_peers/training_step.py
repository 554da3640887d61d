"""The suite of a whole training step of the first phase: forward, three losses, backward, Adam, on 32x32 images."""

import copy
from functools import partial

import torch
from torch.nn import functional

from . import contrastive_torch, oracle
from .capabilities import Capabilities, compiled
from .network import ResNet18
from .peer import Peer
from .workloads import TrainingWorkload

SUITE = "training-step"
PASSES = {"step": "step"}
CLASSES, TAIL_CLASSES, TEMPERATURE = 10, 4, 0.07
LAMBDA_OUT, LAMBDA_CONTRASTIVE = 0.5, 0.1
LOSS_ALLOWED = {"float32": 1e-4, "bfloat16": 2e-2}  # as in our benchmarks
# Of the gradient of all weights. Twenty layers of rounding: 3e-6 to 2e-5 was measured in float32, at widths from 4 to 64, and 0.33 to 0.36 in
# bfloat16, which rounds 2^16 times as coarsely; a gradient that misses a term or a layer is off by more.
ALLOWED = {"float32": 1e-3, "bfloat16": 0.5}


class Batch:
    """Images [view 1 of N; view 2; N outliers], labels, and a network to start from."""

    def __init__(self, workload: TrainingWorkload, device: torch.device):
        torch.manual_seed(1)
        self.images = torch.rand(3 * workload.images, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(device)
        self.labels = torch.arange(workload.images, device=device) % CLASSES
        self.is_tail = torch.arange(CLASSES, device=device) >= CLASSES - TAIL_CLASSES
        self.network = ResNet18(CLASSES, workload.width).to(device)


def objective(network, images, labels, is_tail, is_bfloat16: bool = False) -> torch.Tensor:
    """L_in + 0.5 L_out + 0.1 L_con. Convolutions may run in bfloat16; classifier, projection and losses never do, as in our network."""
    weights = network.linear.weight
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=is_bfloat16):
        features = network.features(images)
    features = features.to(weights.dtype)
    logits, projection = network.linear(features), functional.normalize(network.projection(features))
    classified = 2 * labels.shape[0]
    outliers = logits[classified:]
    return (
        functional.cross_entropy(logits[:classified], torch.cat([labels, labels]))
        + LAMBDA_OUT * (outliers.logsumexp(1) - outliers.mean(1)).mean()
        + LAMBDA_CONTRASTIVE * contrastive_torch.masked(projection, labels, is_tail, weights.new_ones(weights.shape[0]), TEMPERATURE)
    )


class TrainingStep:
    """A copy of the network with its optimiser."""

    def __init__(self, batch: Batch, is_bfloat16: bool, channels_last: bool, is_compiled: bool):
        memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = copy.deepcopy(batch.network).to(memory_format=memory_format)
        self.is_bfloat16 = is_bfloat16
        self.inputs = (batch.images.contiguous(memory_format=memory_format), batch.labels, batch.is_tail, is_bfloat16)
        on_gpu = {"fused": True} if batch.images.is_cuda else {}
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=1e-4, weight_decay=5e-4, **on_gpu)
        self.objective = compiled(objective) if is_compiled else objective

    def gradients(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss, and the gradient of all weights in one vector."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.objective(self.network, *self.inputs)
        loss.backward()
        return loss.detach(), torch.cat([parameter.grad.flatten() for parameter in self.network.parameters()])

    def step(self) -> torch.Tensor:
        """What is timed; nothing in it waits for the device."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.objective(self.network, *self.inputs)
        loss.backward()
        self.optimiser.step()
        return loss


def expected(batch: Batch) -> tuple[float, torch.Tensor]:
    """Loss and gradient of the first step in float64."""
    network = copy.deepcopy(batch.network).double()
    loss = objective(network, batch.images.double(), batch.labels, batch.is_tail)
    return loss.item(), torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(network.parameters()))])


def peers(batch: Batch, exact: tuple[float, torch.Tensor], have: Capabilities) -> list[Peer]:
    """All implementations of a workload; `exact` is what `expected` gives."""

    def peer(name: str, precision: str, channels_last: bool, is_compiled: bool = False) -> Peer:
        def build(copies: int) -> list[TrainingStep]:
            return [TrainingStep(batch, precision == "bfloat16", channels_last, is_compiled)]

        missing = have.compile_missing if is_compiled else ""
        return Peer(name, precision, build, partial(verify, exact), PASSES, missing, allowed=ALLOWED[precision])

    adam = "fused Adam" if have.is_cuda else "Adam"
    return [
        peer(f"eager, NCHW, {adam}", "float32", channels_last=False),
        peer(f"eager, channels last, {adam}", "float32", channels_last=True),
        peer(f"eager, autocast, channels last, {adam}", "bfloat16", channels_last=True),
        peer(f"torch.compile, channels last, {adam}", "float32", channels_last=True, is_compiled=True),
        peer(f"torch.compile, autocast, channels last, {adam}", "bfloat16", channels_last=True, is_compiled=True),
    ]


def verify(exact: tuple[float, torch.Tensor], step: TrainingStep) -> float:
    """The relative error of the first gradient; infinite where the loss is off by more than is allowed."""
    loss, gradient = step.gradients()
    allowed = LOSS_ALLOWED["bfloat16" if step.is_bfloat16 else "float32"]
    return oracle.relative_error(gradient, exact[1]) if abs(loss.item() - exact[0]) <= allowed * exact[0] else float("inf")
