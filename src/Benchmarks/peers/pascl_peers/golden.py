"""The authors' values in float64, where the folder of golden values is at hand: they judge the oracle and the network."""

import json
from pathlib import Path

import numpy
import torch
from torch.nn import functional

from . import oracle, training_step
from .network import ResNet18
from .workloads import LossBatch, LossWorkload


def uniform(seed: int, number: int) -> numpy.ndarray:
    """The golden values' generator: x -> 1664525 x + 1013904223 modulo 2^32, as x / 2^32 - 0.5."""
    powers = numpy.cumprod(numpy.full(number, 1664525, numpy.uint32), dtype=numpy.uint32)
    sums = numpy.cumsum(numpy.concatenate([[1], powers[:-1]]).astype(numpy.uint32), dtype=numpy.uint32)
    return (powers * numpy.uint32(seed) + sums * numpy.uint32(1013904223)) / 2.0**32 - 0.5


def contrastive_error(folder: Path) -> float:
    """The largest difference of the oracle from the authors' losses and norms of gradients, relative."""
    worst = 0.0
    for case in json.loads((folder / "losses.json").read_text())["contrastive"]:
        labels, width, classes = torch.tensor(case["labels"]), case["dim"], case["classes"]
        images, outliers = len(labels), case["ood"]
        batch = object.__new__(LossBatch)
        batch.workload = LossWorkload(case["name"], images, 0, outliers, classes, 0, width, case["temperature"], None)
        batch.features = torch.cat([_features(case["seed"] + part, rows, width) for part, rows in enumerate((images, images, outliers))])
        batch.labels, batch.weights = labels, torch.ones(classes)
        batch.is_tail = torch.arange(classes) >= round((1 - case["k"]) * classes)
        loss, gradient = oracle.contrastive(batch)
        norms = [part.norm().item() for part in gradient.split([images, images, outliers])]
        pairs = zip([loss, *norms], [case["loss"], *case["gradNorms"]])
        worst = max([worst, *(abs(actual - right) / max(abs(right), 1e-3) for actual, right in pairs)])
    return worst


def first_step_error(folder: Path) -> float:
    """The relative difference of the network's first loss from the authors', in float32."""
    golden = json.loads((folder / "model.json").read_text())
    network = ResNet18(classes=10, width=64)
    state = network.state_dict()
    if [name for name, _ in golden["keys"]] != list(state):
        return float("nan")
    position = 0
    for name, shape in golden["keys"]:
        if not name.endswith("num_batches_tracked"):
            state[name] = _weights(name, shape, uniform(7000 + position, int(numpy.prod(shape))))
            position += 1
    network.load_state_dict(state)
    images = torch.from_numpy(uniform(6000, 16 * 3 * 32 * 32) + 0.5).reshape(16, 3, 32, 32).float()
    batch = torch.cat([images[:6], images[:6].flip(3), images[6:10]])
    is_tail = torch.arange(10) >= 6
    with torch.no_grad():
        loss = training_step.objective(network, batch, torch.tensor([0, 3, 6, 6, 8, 9]), is_tail)
    return abs(loss.item() / golden["stage1Adam"][0][0] - 1)


def _features(seed: int, rows: int, width: int) -> torch.Tensor:
    return functional.normalize(torch.from_numpy(uniform(seed, rows * width)).reshape(rows, width)).float().requires_grad_()


def _weights(name: str, shape: list[int], values: numpy.ndarray) -> torch.Tensor:
    if len(shape) > 1:
        values = values * 2 * numpy.sqrt(6 / numpy.prod(shape[1:]))
    elif name.endswith(("running_var", "weight")):
        values = 1 + 0.2 * values
    else:
        values = 0.1 * values
    return torch.from_numpy(values.astype(numpy.float32)).reshape(shape)
