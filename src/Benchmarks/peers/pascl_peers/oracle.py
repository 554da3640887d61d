"""What every peer must compute, in float64 and written from the definitions, not from any of the peers."""

import torch
from torch.nn import functional

from .workloads import LossBatch

ROWS = 1024  # anchors at a time: their float64 similarities with 65,536 rows are half a gigabyte


def contrastive(batch: LossBatch) -> tuple[float, torch.Tensor]:
    """Loss and gradient (2N + K, d) of the partial asymmetric contrastive loss.

    L = 1/|A| sum_{i in A} w_i ( log sum_{j in A + O, j != i} exp(s_ij) - 1/|P_i| sum_{p in P_i} s_ip ),  s = f f^T / temperature
    """
    workload = batch.workload
    features = batch.features.detach().double().requires_grad_()
    images = torch.nonzero(batch.is_tail[batch.labels]).flatten()
    anchors = torch.cat([images, workload.images + images])
    labels = batch.labels[anchors % workload.images]
    outliers = torch.arange(2 * workload.images, workload.rows, device=features.device)
    rows = torch.cat([anchors, outliers])
    loss, gradient = 0.0, torch.zeros_like(features)
    for start in range(0, len(anchors), ROWS):
        chosen = torch.arange(start, min(start + ROWS, len(anchors)), device=features.device)
        similarity = features[anchors[chosen]] @ features[rows].t() / workload.temperature
        is_other = chosen[:, None] != torch.arange(len(rows), device=features.device)
        is_positive = is_other[:, : len(anchors)] & (labels[chosen, None] == labels)
        positives = (similarity[:, : len(anchors)] * is_positive).sum(1) / is_positive.sum(1).clamp(min=1)
        log_sum = similarity.masked_fill(~is_other, float("-inf")).logsumexp(1)
        terms = torch.where(is_positive.any(1), log_sum - positives, torch.zeros_like(log_sum))
        part = (batch.weights[labels[chosen]].double() * terms).sum() / len(anchors)
        gradient += torch.autograd.grad(part, features)[0]
        loss += part.item()
    return loss, gradient


def batch_norm(inputs: torch.Tensor, upstream: torch.Tensor, in_distribution_images: int) -> dict[str, torch.Tensor]:
    """Output and gradient of relu(BatchNorm(x)), and the running statistics of both branches after one batch."""
    exact = inputs.detach().double().requires_grad_()
    deviation = exact - exact.mean((0, 2, 3), keepdim=True)
    variance = (deviation * deviation).mean((0, 2, 3), keepdim=True)
    output = functional.relu(deviation / (variance + 1e-5).sqrt())
    (gradient,) = torch.autograd.grad(output, exact, upstream.double())
    result = {"output": output.detach(), "gradient": gradient}
    for branch, images in (("main", exact.shape[0]), ("auxiliary", in_distribution_images)):
        seen = exact.detach()[:images].transpose(0, 1).flatten(1)
        result[f"{branch} mean"] = 0.1 * seen.mean(1)
        result[f"{branch} variance"] = 0.9 + 0.1 * seen.var(1, unbiased=True)
    return result


def relative_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """|actual - expected| / |expected| in the Euclidean norm; not a number where the result is none."""
    return ((actual.detach().double() - expected).norm() / expected.norm().clamp(min=1e-300)).item()
