"""Losses of the training methods by their equations. Gradients are exact to rounding by the complex step: dL/dx = Im L(x + i h) / h with a tiny h, so that no
derivative is written down and none can be wrong together with the equation.

A batch has the rows [view 1 of N images; view 2, where there are two; K outliers; rows mixed of others]; labels are those of the N images.
"""

from math import lgamma

import numpy as np

STEP = 1e-100


def compute(quantity, parameters, inputs):
    loss = LOSSES[quantity]
    batch = Batch(parameters, inputs)
    wanted = [name for name in ("logits", "features", "projection", "prototypes") if name in inputs]
    terms = {name: float(np.real(value)) for name, value in loss(parameters, batch).items()}
    gradients = {}
    for name in wanted:
        values = inputs[name].astype(float)
        gradient = np.zeros(values.shape)
        for place in np.ndindex(values.shape):
            moved = values.astype(complex)
            moved[place] += 1j * STEP
            gradient[place] = np.imag(loss(parameters, Batch(parameters, {**inputs, name: moved}))["total"]) / STEP
        gradients[name] = gradient
    return {"terms": terms, "gradients": gradients}


class Batch:
    """The rows of a batch by what they are."""

    def __init__(self, parameters, inputs):
        views, labels = int(parameters.get("views", 1)), inputs["labels"].astype(int)
        self.labels = np.tile(labels, views)
        self.images = len(labels)
        self.mixed_labels = inputs.get("mixedLabels", np.array([])).astype(int)
        self.logits, self.features, self.projection = inputs.get("logits"), inputs.get("features"), inputs.get("projection")
        self.prototypes, self.inputs = inputs.get("prototypes"), inputs
        classified, rows = len(self.labels), len(self.logits)
        self.ends = (classified, rows - len(self.mixed_labels))

    @property
    def inside(self):
        return self.logits[: self.ends[0]]

    @property
    def outliers(self):
        return self.logits[self.ends[0] : self.ends[1]]

    @property
    def mixed(self):
        return self.logits[self.ends[1] :]


def log_sum(z):
    top = np.real(z).max(1)
    return top + np.log(np.exp(z - top[:, None]).sum(1))


def softmax(z):
    return np.exp(z - log_sum(z)[:, None])


def cross_entropy(z, labels):
    return (log_sum(z) - z[np.arange(len(z)), labels]).mean()


def exposure(z):
    """Outlier exposure: the cross entropy to the uniform distribution."""
    return (log_sum(z) - z.mean(1)).mean()


def rectify(x):
    return np.where(np.real(x) > 0, x, 0)


def active(x):
    return (np.real(x) > 0).mean()


def log_prior(counts, tau):
    counts = np.asarray(counts, float)
    return tau * np.log(counts / counts.sum())


def ce(_, batch):
    loss = cross_entropy(batch.inside, batch.labels)
    return {"total": loss, "in-distribution": loss}


def oe(p, batch):
    inside, outliers = cross_entropy(batch.inside, batch.labels), exposure(batch.outliers)
    return {"total": inside + p["outlierWeight"] * outliers, "in-distribution": inside, "outliers": outliers}


def contrastive(rows, images, labels, outlier_start, tail, temperature, class_weights):
    """1/|A| sum over anchors i of w_i times the mean over its positives p of ( log sum over j != i of exp(s_ij) - s_ip )."""
    anchors = [row for row in range(2 * images) if tail[labels[row % images]]]
    contrasts = anchors + list(range(outlier_start, len(rows)))
    total = 0 * rows.sum()
    for i in anchors:
        positives = [j for j in anchors if j != i and labels[j % images] == labels[i % images]]
        if positives:
            others = [j for j in contrasts if j != i]
            similarity = (rows[others] @ rows[i] / temperature)[None]
            pulls = sum(rows[j] @ rows[i] for j in positives) / temperature / len(positives)
            total = total + class_weights[labels[i % images]] * (log_sum(similarity)[0] - pulls) / len(anchors)
    return total


def pascl(p, batch):
    terms = oe(p, batch)
    labels = batch.labels[: batch.images]
    weights = batch.inputs.get("classWeights", np.ones(len(batch.inputs["tail"])))
    contrast = contrastive(batch.projection, batch.images, labels, 2 * batch.images, batch.inputs["tail"], p["temperature"], weights)
    return {**terms, "total": terms["total"] + p["contrastiveWeight"] * contrast, "contrastive": contrast}


def energies(z):
    return -log_sum(z)


def energy_objective(p, batch, outlier_hinge):
    """The weight rises linearly over the first share of the epochs."""
    warm_up = p["warmUp"] * p["epochs"]
    done = p["epoch"] + (p["step"] + 1) / p["stepsPerEpoch"]
    weight = p["weight"] * (min(1, done / warm_up) if warm_up > 0 else 1)
    inside = cross_entropy(batch.inside, batch.labels)
    hinge = rectify(energies(batch.inside) - p["margin"])
    outside, of_outliers = outlier_hinge
    return {
        "total": inside + weight * ((hinge**2).mean() + outside),
        "in-distribution": inside,
        "outlier-hinge": outside,
        "in-distribution-hinge": (hinge**2).mean(),
        "in-distribution-active": active(hinge),
        "outlier-active": active(of_outliers),
    }


def energy_oe(p, batch):
    hinge = rectify(p["outlierMargin"] - energies(batch.outliers))
    return energy_objective(p, batch, ((hinge**2).mean(), hinge))


def berl(p, batch):
    shares = batch.inputs["shares"].astype(float)
    def prior(exponent):
        return shares**exponent / (shares**exponent).sum()
    z = np.real(batch.outliers) if p["detach"] else batch.outliers
    probabilities = softmax(z)
    hinge = rectify(p["outlierMargin"] - energies(batch.outliers) + p["marginSlope"] * (probabilities @ prior(p["marginExponent"])))
    weights = probabilities @ prior(p["weightExponent"])
    return energy_objective(p, batch, ((weights * hinge**2).sum() / weights.sum(), hinge))


def norm(x):
    """Euclidean length of rows; 0 has the slope 0."""
    squares = (x * x).sum(1)
    return np.where(np.real(squares) > 0, np.sqrt(np.where(np.real(squares) > 0, squares, 1)), 0)


def unit_halves(rows):
    half = rows.shape[1] // 2
    return np.hstack([part / np.sqrt((part * part).sum(1))[:, None] for part in (rows[:, :half], rows[:, half:])])


def prototype_loss(anchors, targets, prototypes, outliers, temperature):
    if len(targets) == 0:
        return 0 * prototypes.sum()
    contrasts = np.vstack([unit_halves(prototypes), unit_halves(outliers)])
    return cross_entropy(unit_halves(anchors) @ contrasts.T / temperature, targets)


def triplet_loss(outliers, drawn, margin):
    values = np.real(outliers)
    farthest = np.sqrt(((values[:, None] - values[None]) ** 2).sum(2)).argmax(1)
    return rectify(norm(outliers - outliers[farthest]) - norm(outliers - drawn) + margin).mean()


def cocl(p, batch):
    """The images of the head are drawn at random; a case has at most one, so that nothing is left to chance."""
    classes, outliers = batch.logits.shape[1] - 1, batch.features[batch.ends[0] :]
    inside = cross_entropy(batch.inside, batch.labels)
    exposed = cross_entropy(batch.outliers, np.full(len(batch.outliers), classes))
    tail, head = batch.inputs["tail"], batch.inputs["head"]
    place = {label: number for number, label in enumerate(label for label in range(classes) if tail[label])}
    first_view = list(batch.labels[: batch.images])
    rows = [row for row, label in enumerate(first_view) if tail[label]]
    of_tail = prototype_loss(batch.features[rows], [place[first_view[row]] for row in rows], batch.prototypes, outliers, p["temperature"])
    heads = [row for row, label in enumerate(first_view) if head[label]]
    if len(heads) > 1:
        raise ValueError("The batch has more than one image of the head, of which one is drawn at random.")
    of_head = triplet_loss(outliers, batch.features[heads * len(outliers)], p["headMargin"]) if heads else 0
    total = inside + p["outlierWeight"] * exposed + p["tailWeight"] * of_tail + p["headWeight"] * of_head
    return {"total": total, "in-distribution": inside, "outliers": exposed, "tail": of_tail, "head": of_head}


def per_head(z, heads):
    return np.split(z, heads, axis=1)


def labelled(z, labels, heads):
    return sum(cross_entropy(head, labels) for head in per_head(z, heads))


def virtual(z, heads, classes):
    """To the highest abstention column of each head."""
    return sum(cross_entropy(head, classes + np.real(head[:, classes:]).argmax(1)) for head in per_head(z, heads))


def eat(p, batch):
    heads, classes = int(p["heads"]), int(p["classes"])
    inside = labelled(batch.inside, batch.labels, heads)
    outliers = virtual(batch.outliers, heads, classes)
    mixed = labelled(batch.mixed, batch.mixed_labels, heads) if len(batch.mixed_labels) else 0
    return {
        "total": inside + p["mixedWeight"] * mixed + p["outlierWeight"] * outliers,
        "in-distribution": inside, "outliers": outliers, "mixed": mixed,
    }


def rna(p, batch):
    """The rows of outliers have no loss; projections are not of unit length."""
    inside = cross_entropy(batch.inside + log_prior(batch.inputs["counts"], p["adjustment"]), batch.labels)
    gain = -np.log(1 + norm(batch.projection[: batch.ends[0]])).mean()
    return {"total": inside + p["weight"] * gain, "in-distribution": inside, "norm-gain": gain}


def tscl(p, batch):
    """`prototypes` are those of the tail classes, in the order of the classes: unit rows, as they come from the network."""
    classes, tail = batch.logits.shape[1] - 1, batch.inputs["tail"]
    inside = cross_entropy(batch.inside, batch.labels)
    exposed = cross_entropy(batch.outliers, np.full(len(batch.outliers), classes))
    rows = [row for row, label in enumerate(batch.labels) if tail[label]]
    labels = [batch.labels[row] for row in rows] + [label for label in range(classes) if tail[label]]
    anchors = np.vstack([batch.projection[rows], batch.prototypes])
    similar = anchors @ np.vstack([anchors, batch.projection[batch.ends[0] :]]).T / p["temperature"]
    contrast = 0
    for row, label in enumerate(labels):
        positives = [other for other in range(len(labels)) if other != row and labels[other] == label]
        if positives:
            contrast -= (similar[row, positives].mean() - log_sum(np.delete(similar[row], row)[None])[0]) / len(labels)
    total = inside + p["outlierWeight"] * exposed + p["contrastiveWeight"] * contrast
    return {"total": total, "in-distribution": inside, "outliers": exposed, "contrastive": contrast}


def log_bessel(order, x):
    """log I(x) - order log x by the power series, whose terms are positive, for real x; a complex step moves it by its slope, a quotient of two such series."""

    def series(order, x):
        k = np.arange(400)
        factorials = np.array([lgamma(n + 1) + lgamma(n + order + 1) for n in k])
        return np.logaddexp.reduce((2 * k) * np.log(np.real(x) / 2)[..., None] - factorials, axis=-1) - order * np.log(2)

    value = series(order, x)
    return value + 1j * np.imag(x) * np.exp(series(order + 1, x) - value) * np.real(x)


def directions(features, means, temperature):
    """s: (N, C), of features and the means of the classes' features."""
    width, lengths = means.shape[1], np.sqrt((means**2).sum(1))
    kappa = np.array([min(width * r / (1 - r * r), 1e5) if r < 1 else 1e5 for r in lengths])
    moved = (kappa / lengths)[:, None] * means + features[:, None] / temperature
    return log_bessel(width / 2 - 1, np.sqrt((moved * moved).sum(2))) - np.real(log_bessel(width / 2 - 1, kappa))


def patt(p, batch):
    """`means` and `seen` are those of the classes before the batch; the second and the third view are each followed before they are contrasted, without gradient."""
    prior, labels, images = log_prior(batch.inputs["counts"], 1), batch.labels[: batch.images], batch.images
    inside = cross_entropy(batch.logits[:images] / p["logitTemperature"] + prior, labels)
    exposed = exposure(batch.outliers)
    means, seen, contrast = batch.inputs["means"].astype(float), batch.inputs["seen"].astype(float), 0
    for view in (1, 2):
        features = batch.features[view * images : (view + 1) * images]
        if not p["raw"]:
            features = features / np.sqrt((features * features).sum(1))[:, None]
        means, seen = means.copy(), seen.copy()
        for row, label in enumerate(labels):
            seen[label] += 1
            means[label] += (np.real(features[row]) - means[label]) / seen[label]
        contrast += cross_entropy(directions(features, means, p["temperature"]) + prior, labels) / 2
    total = contrast + p["logitWeight"] * inside + p["outlierWeight"] * exposed
    return {"total": total, "in-distribution": inside, "outliers": exposed, "contrastive": contrast}


def logit_adjusted(p, batch):
    """The second phase: cross entropy of z + tau log prior over the columns of the classes."""
    adjustment = log_prior(batch.inputs["counts"], p["tau"])
    loss = cross_entropy(batch.inside[:, : len(adjustment)] + adjustment, batch.labels)
    return {"total": loss, "in-distribution": loss}


def eat_second(p, batch):
    """The same for every head; abstention columns count as that many images, or are left out."""
    counts = list(batch.inputs["counts"])
    heads = per_head(batch.inside, int(p["heads"]))
    counts += [p["abstentionCount"]] * (heads[0].shape[1] - len(counts)) if p["abstentionCount"] > 0 else []
    adjustment = log_prior(counts, p["tau"])
    loss = sum(cross_entropy(head[:, : len(counts)] + adjustment, batch.labels) for head in heads)
    return {"total": loss, "in-distribution": loss}


LOSSES = {
    "ce": ce,
    "oe": oe,
    "pascl": pascl,
    "energy-oe": energy_oe,
    "berl": berl,
    "cocl": cocl,
    "eat": eat,
    "rna": rna,
    "tscl": tscl,
    "patt": patt,
    "second phase": logit_adjusted,
    "second phase of eat": eat_second,
}
