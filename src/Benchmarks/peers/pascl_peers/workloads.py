"""The workloads of the C# benchmarks, read from the list that they export, and the same random numbers."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

LIST = Path(__file__).resolve().parent.parent / "workloads.json"


@dataclass(frozen=True)
class LossWorkload:
    """[view 1 of N images; view 2; K outliers], of which T images belong to the tail: the last classes."""

    name: str
    images: int
    tail_images: int
    outliers: int
    classes: int
    tail_classes: int
    width: int
    temperature: float
    loss: float | None  # as our benchmarks compute it in float64; None where that takes too long

    @property
    def rows(self) -> int:
        return 2 * self.images + self.outliers

    @property
    def anchors(self) -> int:
        return 2 * self.tail_images

    @property
    def similarity_bytes(self) -> int:
        """One float32 matrix of all rows of images against all rows."""
        return 4 * 2 * self.images * self.rows

    def labels(self) -> torch.Tensor:
        """(N): tail images spread over the batch, each class in turn, and the others of head classes."""
        labels, tail, head = [], 0, 0
        head_classes = self.classes - self.tail_classes
        for image in range(self.images):
            if (image + 1) * self.tail_images // self.images > image * self.tail_images // self.images:
                labels.append(head_classes + tail % self.tail_classes)
                tail += 1
            else:
                labels.append(head % head_classes)
                head += 1
        return torch.tensor(labels)


@dataclass(frozen=True)
class BatchNormWorkload:
    """A batch as a BatchNorm layer sees it, float32; the first two thirds are in-distribution images."""

    name: str
    images: int
    channels: int
    size: int

    @property
    def in_distribution_images(self) -> int:
        return self.images * 2 // 3

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.images, self.channels, self.size, self.size


@dataclass(frozen=True)
class TrainingWorkload:
    """Channels of ResNet18's first stage, and N: a step sees N images in two views and N outliers."""

    name: str
    width: int
    images: int


class LossBatch:
    """A workload's numbers on a device."""

    def __init__(self, workload: LossWorkload, device: torch.device):
        rows = torch.randn(workload.rows, workload.width, generator=torch.Generator().manual_seed(1))
        self.workload = workload
        self.features = torch.nn.functional.normalize(rows).to(device).requires_grad_()  # (2N + K, d)
        self.labels = workload.labels().to(device)  # (N)
        self.is_tail = (torch.arange(workload.classes) >= workload.classes - workload.tail_classes).to(device)  # (C)
        self.weights = torch.ones(workload.classes, device=device)  # (C)

    @property
    def bytes(self) -> int:
        """What a pass reads."""
        return self.features.numel() * 4

    def copy(self) -> "LossBatch":
        """The same numbers in other memory."""
        other = object.__new__(LossBatch)
        other.workload = self.workload
        other.features = self.features.detach().clone().requires_grad_()
        other.labels, other.is_tail, other.weights = self.labels.clone(), self.is_tail.clone(), self.weights.clone()
        return other


def read(path: Path = LIST) -> tuple[list[LossWorkload], list[BatchNormWorkload], list[TrainingWorkload]]:
    """All workloads."""
    exported = json.loads(path.read_text())
    return (
        [LossWorkload(**entry) for entry in exported["loss"]],
        [BatchNormWorkload(**entry) for entry in exported["batch_norm"]],
        [TrainingWorkload(**entry) for entry in exported["training_step"]],
    )
