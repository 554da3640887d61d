"""The contrastive loss by torch's operations: in the order of the authors' program, and as one would write it."""

import torch
from torch import Tensor
from torch.nn import functional

# Every function takes features (2N + K, d), labels (N), is_tail_class (C), weights (C) and the temperature.


def authors(features: Tensor, labels: Tensor, is_tail_class: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """The authors' sequence of operations: masks made on the host, the diagonal cut out, a loop over all classes for the weights."""
    images = len(labels)
    is_tail = is_tail_class[labels]
    tail_labels = labels[is_tail]
    views = torch.cat([features[:images][is_tail], features[images : 2 * images][is_tail]])
    logits = torch.matmul(views, torch.cat([views, features[2 * images :]]).t()) / temperature
    anchors, contrasts = logits.shape
    logits = logits - logits.max(1, keepdim=True).values.detach()
    logits = logits.masked_select(_others(anchors, contrasts, logits.device)).view(anchors, contrasts - 1)

    column = tail_labels.view(-1, 1)
    is_positive = torch.eq(column, column.t()).float().repeat(2, 2)
    is_positive = torch.cat([is_positive, torch.zeros(anchors, contrasts - anchors).to(logits.device)], 1)
    is_positive = is_positive.masked_select(_others(anchors, contrasts, logits.device)).view(anchors, contrasts - 1)
    share = functional.normalize(is_positive, p=1, dim=1)

    losses = (-functional.log_softmax(logits, 1) * share).sum(1)
    for label in range(len(weights)):
        is_class = torch.eq(tail_labels, label)
        if is_class.sum() > 0:
            weight = weights[label]
            if not weight > 0:
                raise ValueError(f"Class {label} is of the tail but its weight is not above 0.")
            rows = torch.cat([is_class, is_class])
            losses[rows] = losses[rows] * weight
    return losses.mean()


def masked(features: Tensor, labels: Tensor, is_tail_class: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """All rows of images against all rows, with what takes no part masked: fixed shapes, and the host never waits."""
    labels = torch.cat([labels, labels])
    is_anchor = is_tail_class[labels]
    is_left_out = torch.cat([~is_anchor, is_anchor.new_zeros(features.shape[0] - labels.shape[0])])
    return _mean(features[: labels.shape[0]], features, labels, is_anchor.to(features.dtype), is_left_out, weights, temperature)


def picked(features: Tensor, labels: Tensor, is_tail_class: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """The rows that take part alone: the least arithmetic, and the host waits for their number."""
    images = labels.shape[0]
    rows = torch.nonzero(is_tail_class[labels]).flatten()
    anchors = features[torch.cat([rows, images + rows])]
    contrasts = torch.cat([anchors, features[2 * images :]])
    return _mean(anchors, contrasts, labels[rows].repeat(2), anchors.new_ones(anchors.shape[0]), None, weights, temperature)


def _mean(anchors, contrasts, labels, takes_part, is_left_out, weights, temperature) -> Tensor:
    # Positives by the sums of their classes: sum_p s_ip = f_i (S_c - f_i) / temperature.
    scaled = anchors / temperature
    rows = torch.arange(anchors.shape[0], device=anchors.device)
    exclusion = rows[:, None] == torch.arange(contrasts.shape[0], device=anchors.device)
    if is_left_out is not None:
        exclusion = exclusion | is_left_out
    log_sum = (scaled @ contrasts.t()).masked_fill(exclusion, float("-inf")).logsumexp(1)

    classes = weights.shape[0]
    sums = anchors.new_zeros(classes, anchors.shape[1]).index_add(0, labels, anchors * takes_part[:, None])
    positives = anchors.new_zeros(classes).index_add(0, labels, takes_part)[labels] - 1
    positive = (scaled * (sums[labels] - anchors)).sum(1) / positives.clamp(min=1)
    weight = takes_part * weights[labels] * (positives > 0)
    return (weight * (log_sum - positive)).sum() / takes_part.sum().clamp(min=1)


def _others(anchors: int, contrasts: int, device: torch.device) -> Tensor:
    return (~torch.eye(anchors, contrasts, dtype=torch.bool)).to(device)
