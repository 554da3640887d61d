"""Computes torchvision.json with torchvision's own networks; README.md says how the inputs are made.

    python3 torchvision.py > torchvision.json
"""
import copy
import importlib
import json
import sys

import numpy
import torch

sys.path = [path for path in sys.path if path not in ("", __file__.rsplit("/", 1)[0])]  # this file has the name of the library
torchvision = importlib.import_module("torchvision")

CLASSES, IMAGES, SIZE = 5, 4, 64
FIRST_WEIGHT, FIRST_PROBE, PIXELS = 7000, 9000, 6000


def sequence(seed, count):
    values, state = numpy.empty(count), seed
    for i in range(count):
        state = (1664525 * state + 1013904223) & 0xFFFFFFFF
        values[i] = state / 4294967296.0 - 0.5
    return values


def weights(name, shape, values):
    if len(shape) >= 2:
        return values * 2 * numpy.sqrt(6.0 / numpy.prod(shape[1:]))
    return 1 + 0.2 * values if name.endswith(("running_var", "weight")) else 0.1 * values


def channels(values):
    return torch.tensor(numpy.array(values, dtype=numpy.float32), dtype=torch.float64).reshape(1, 3, 1, 1)


def step(network, images):
    network.train()
    loss = torch.nn.functional.cross_entropy(network(images), torch.arange(IMAGES) % CLASSES)
    loss.backward()
    return loss.item(), [parameter.grad.double() for parameter in network.parameters()]


def case(name):
    network = getattr(torchvision.models, name)(num_classes=CLASSES).double()
    entries = [(key, value) for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")]
    with torch.no_grad():
        for place, (key, value) in enumerate(entries):
            drawn = weights(key, value.shape, sequence(FIRST_WEIGHT + place, value.numel())).astype(numpy.float32)
            value.copy_(torch.from_numpy(drawn.astype(numpy.float64)).reshape(value.shape))
    pixels = torch.from_numpy(sequence(PIXELS, IMAGES * 3 * SIZE * SIZE) + 0.5).reshape(IMAGES, 3, SIZE, SIZE)
    images = (pixels - channels([0.485, 0.456, 0.406])) / channels([0.229, 0.224, 0.225])
    network.eval()
    with torch.no_grad():
        logits = network(images)
    rounded_loss, rounded = step(copy.deepcopy(network).float(), images.float())
    loss, gradients = step(network, images)
    parameters = list(network.named_parameters())
    return {
        "name": name,
        "keys": [[key, list(value.shape)] for key, value in entries],
        "evalLogits": logits.tolist(),
        "loss": loss,
        "float32LossError": abs(rounded_loss - loss) / loss,
        "float32GradientError": max(((a.norm() - b.norm()).abs() / b.norm()).item() for a, b in zip(rounded, gradients)),
        "parameters": [key for key, _ in parameters],
        "gradientNorms": [parameter.grad.norm().item() for _, parameter in parameters],
        "gradientProbes": [
            float(parameter.grad.flatten() @ torch.from_numpy(sequence(FIRST_PROBE + place, parameter.numel())))
            for place, (_, parameter) in enumerate(parameters)],
        "runningMean": network.state_dict()["layer4.0.downsample.1.running_mean"].norm().item(),
    }


print(json.dumps({"torchvision": torchvision.__version__, "cases": [case(name) for name in ("resnet18", "resnet34", "resnet50")]}))
