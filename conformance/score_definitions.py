"""Out-of-distribution scores by their equations, in double. Higher = more out-of-distribution.

Symbols: z logits, f features, p = softmax(z), C classes, pi the share of every class in the training images, y = argmax z, the first of equal ones.
"""

import numpy as np

SHORTEST = 1e-12  # what is shorter has no direction


def compute(quantity, parameters, inputs):
    if quantity in READOUTS:
        return READOUTS[quantity](parameters, inputs)
    model = Model(inputs)
    return {"scores": SCORES[quantity](model, parameters)}


class Model:
    """What scores are made from: a classifier, features and logits of training and test images; where there is a network, its images too."""

    def __init__(self, inputs):
        self.weight, self.bias = inputs["classifier.weight"], inputs["classifier.bias"]
        self.labels = inputs["training.labels"].astype(int)
        self.classes = len(self.bias)
        self.prior = np.bincount(self.labels, minlength=self.classes) / len(self.labels)
        if "network.weight" in inputs:
            self.map, self.offset = inputs["network.weight"], inputs["network.bias"]
            self.training_images = pixels(inputs["training.images"])
            self.test_images = pixels(inputs["test.images"])
            self.training, self.test = self.features(self.training_images), self.features(self.test_images)
        else:
            self.training, self.test = inputs["training.features"], inputs["test.features"]
        self.z_training, self.z = self.logits(self.training), self.logits(self.test)

    def features(self, images):
        """f = relu(A x + a): the network of the cases that need gradients."""
        return np.maximum(images @ self.map.T + self.offset, 0)

    def logits(self, features):
        return features @ self.weight.T + self.bias

    def gradient(self, images, of_logits):
        """d <of_logits, z> / dx of every image."""
        active = (images @ self.map.T + self.offset > 0).astype(float)
        return (of_logits @ self.weight * active) @ self.map


def pixels(bytes_of_images):
    """Bytes as numbers from 0 to 1."""
    return bytes_of_images.reshape(len(bytes_of_images), -1) / 255


def softmax(z, temperature=1.0):
    exponentials = np.exp((z - z.max(1, keepdims=True)) / temperature)
    return exponentials / exponentials.sum(1, keepdims=True)


def log_sum(z, temperature=1.0):
    top = z.max(1)
    return top / temperature + np.log(np.exp((z - top[:, None]) / temperature).sum(1))


def log_softmax(z):
    """log p; that of the largest is -log1p of the others, so that it does not vanish."""
    top = z.argmax(1)
    differences = z - z[np.arange(len(z)), top][:, None]
    others = np.exp(differences)
    others[np.arange(len(z)), top] = 0
    return differences - np.log1p(others.sum(1))[:, None]


def one_minus_maximum(z, temperature=1.0):
    """1 - max p as the sum of the other probabilities, so that sure images keep their order."""
    p = softmax(z, temperature)
    p[np.arange(len(z)), z.argmax(1)] = 0
    return p.sum(1)


def energy(z, temperature=1.0):
    return -temperature * log_sum(z, temperature)


def unit(features):
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), SHORTEST)


def dissimilarity(model, z):
    """1 - cos(p, pi)."""
    p = softmax(z)
    return 1 - p @ model.prior / np.sqrt((p * p).sum(1) * (model.prior @ model.prior))


def log_rarity(model):
    """log( (1/C) sum p / pi )."""
    return np.log((softmax(model.z) / model.prior).mean(1))


def entropy(z):
    logarithms = log_softmax(z)
    return -(np.exp(logarithms) * logarithms).sum(1)


def generalised_entropy(z, gamma, largest):
    """sum over the M largest p of (p (1 - p))^gamma, 1 - p being the sum of the others."""
    result = []
    for row in z:
        row = np.sort(row)[::-1]
        exponentials = np.exp(row - row[0])
        total = exponentials.sum()
        rest = [exponentials[1:].sum()] + [total - value for value in exponentials[1:]]
        result.append(sum((value / total * (other / total)) ** gamma for value, other in list(zip(exponentials, rest))[: int(largest)]))
    return np.array(result)


def gradnorm(model, reference):
    return -np.abs(model.test).sum(1) * np.abs(softmax(model.z) - reference).sum(1)


def distances(model, normalised, ridge=0.0, is_one=False):
    """Mahalanobis distances to the nearest class mean, by one covariance over all training images."""
    training, test = (unit(model.training), unit(model.test)) if normalised else (model.training, model.test)
    labels = np.zeros(len(training), int) if is_one else model.labels
    means = np.array([training[labels == label].mean(0) for label in range(labels.max() + 1)])
    deviations = training - means[labels]
    covariance = deviations.T @ deviations / len(training)
    width = len(covariance)
    covariance = covariance + ridge * np.trace(covariance) / width * np.eye(width)
    if np.trace(covariance) == 0:
        covariance = np.eye(width)
    elif np.linalg.eigvalsh(covariance)[0] <= width * 2.0**-52 * np.diag(covariance).max():
        covariance = covariance + 1e-6 * np.trace(covariance) / width * np.eye(width)
    return np.array([min((row - mean) @ np.linalg.solve(covariance, row - mean) for mean in means) for row in test])


def nearest(model, k, per_class):
    chosen, taken = [], np.zeros(model.classes, int)
    for image, label in enumerate(model.labels):
        if per_class == 0 or taken[label] < per_class:
            chosen.append(image)
        taken[label] += 1
    bank = unit(model.training)[chosen]
    k = min(int(k), len(bank))
    return np.array([np.sort(np.sqrt(((row - bank) ** 2).sum(1)))[k - 1] for row in unit(model.test)])


def kl_matching(model):
    predicted, p = model.z_training.argmax(1), softmax(model.z_training)
    means = [p[predicted == label].mean(0) for label in range(model.classes) if (predicted == label).any()]
    logarithms = log_softmax(model.z)
    return np.array([(np.exp(logarithms) * (logarithms - np.log(mean))).sum(1) for mean in means]).min(0)


def she(model):
    right = model.z_training.argmax(1) == model.labels
    patterns = []
    for label in range(model.classes):
        of_class = model.labels == label
        patterns.append(model.training[of_class & right if (of_class & right).any() else of_class].mean(0))
    return -(model.test * np.array(patterns)[model.z.argmax(1)]).sum(1)


def vim(model, dimension):
    width = model.training.shape[1]
    dimension = int(dimension) or (1000 if width >= 2048 else 512 if width >= 768 else width // 2)
    origin = -np.linalg.pinv(model.weight) @ model.bias
    shifted = model.training - origin
    _, vectors = np.linalg.eigh(shifted.T @ shifted / len(shifted))
    residual = vectors[:, : width - dimension]
    lengths = np.linalg.norm(shifted @ residual, axis=1).sum()
    alpha = 0 if lengths == 0 else model.z_training.max(1).sum() / lengths
    return alpha * np.linalg.norm((model.test - origin) @ residual, axis=1) - log_sum(model.z)


def nnguide(model, k, bank):
    count = len(model.training)
    size = min(count, int(bank))
    chosen = [place * count // size for place in range(size)]
    weighted = unit(model.training)[chosen] * log_sum(model.z_training)[chosen, None]
    products = np.sort(unit(model.test) @ weighted.T, axis=1)[:, ::-1]
    return -log_sum(model.z) * products[:, : min(int(k), size)].mean(1)


def fdbd(model):
    mean, result = model.training.mean(0), []
    for features, z in zip(model.test, model.z):
        label, total = z.argmax(), 0.0
        for other in range(model.classes):
            between = np.linalg.norm(model.weight[other] - model.weight[label])
            total += abs(z[other] - z[label]) / (between if between > 0 else 1)
        result.append(-total / max(np.linalg.norm(features - mean), SHORTEST))
    return np.array(result)


def nci(model, alpha):
    centred = model.test - model.training.mean(0)
    along = (model.weight[model.z.argmax(1)] * centred).sum(1) / np.maximum(np.linalg.norm(centred, axis=1), SHORTEST)
    return -along - alpha * np.abs(model.test).sum(1)


def react(model, percentile):
    return energy(model.logits(np.minimum(model.test, np.percentile(model.training, percentile))))


def dice(model, percentile):
    contributions = model.weight * model.training.mean(0)
    kept = np.where(contributions > np.percentile(contributions, percentile), model.weight, 0)
    return energy(model.test @ kept.T + model.bias)


def kept_count(width, percentile):
    """k = d - round(d percentile / 100), halves to even, at least 1."""
    return max(1, width - round(width * percentile / 100))


def largest(features, count):
    """1 for the k largest of a row and 0 elsewhere; of equal ones the first are the larger."""
    mask = np.zeros(len(features))
    mask[np.argsort(-features, kind="stable")[:count]] = 1
    return mask


def shaped(model, percentile, kind):
    result = []
    for features in model.test:
        mask = largest(features, kept_count(len(features), percentile))
        total, of_kept = features.sum(), (features * mask).sum()
        growth = np.exp(total / of_kept) if of_kept != 0 else 1.0
        result.append({
            "ash-b": mask * total / mask.sum(),
            "ash-p": features * mask,
            "ash-s": features * mask * growth,
            "scale": features * growth,
        }[kind])
    return energy(model.logits(np.array(result)))


def odin_logits(model, temperature, epsilon):
    z = model.z
    if epsilon == 0:
        return z
    chosen = np.eye(model.classes)[z.argmax(1)]
    gradient = model.gradient(model.test_images, (softmax(z, temperature) - chosen) / temperature)
    sizes = np.abs(gradient)
    require((sizes[sizes > 0].min() if (sizes > 0).any() else 1) > 1e-5 * sizes.max(), "a gradient is so small that its sign depends on rounding")
    return model.logits(model.features(model.test_images - epsilon * np.sign(gradient)))


def movement(model, images, p):
    """Q' of AdaSCALE."""
    features = model.features(images)
    z = model.logits(features)
    gradient = model.gradient(images, np.eye(model.classes)[z.argmax(1)])
    count = int(gradient.shape[1] * p["pixels"] / 100)
    mask = np.zeros_like(gradient)
    for row, sizes in enumerate(np.abs(gradient)):
        order = np.argsort(sizes, kind="stable")
        require(sizes[order[count]] - sizes[order[count - 1]] > 1e-5 * sizes.max(), "two gradients tie for the last place")
        mask[row, order[:count]] = 1
    moved = model.features(images + np.sign(gradient) * mask * p["epsilon"])
    result, width = [], features.shape[1]
    for f, g in zip(features, moved):
        first, second = (largest(f, max(1, int(width * p[name] / 100))) for name in ("k1", "k2"))
        result.append((np.maximum(g, 0) * first).sum() + p["lambda"] * (np.abs(f - g) * second).sum())
    return np.array(result)


def adascale(model, p, of_logits):
    reference = np.sort(movement(model, model.training_images, p))
    result = []
    for f, z, moved in zip(model.test, model.z, movement(model, model.test_images, p)):
        require(np.abs(reference - moved).min() > 1e-5 * reference.max(), "a test image moves as far as a training image")
        share = (reference <= moved).mean()
        mask = largest(f, kept_count(len(f), p["low"] + (1 - share) * (p["high"] - p["low"])))
        ratio = f.sum() / (f * mask).sum() if (f * mask).sum() != 0 else 0.0
        result.append(ratio**2 * z if of_logits else model.logits(f[None] * np.exp(ratio))[0])
    return energy(np.array(result))


def require(condition, sentence):
    if not condition:
        raise ValueError(f"This case decides nothing: {sentence}; take other inputs.")


def rectified_prior(scores):
    """A score times 1 - cos(p, pi)."""
    return lambda model, p: scores(model, p) * dissimilarity(model, model.z)


SCORES = {
    "msp": lambda model, p: one_minus_maximum(model.z),
    "max-logit": lambda model, p: -model.z.max(1),
    "energy": lambda model, p: energy(model.z, p["temperature"]),
    "entropy": lambda model, p: entropy(model.z),
    "odin": lambda model, p: one_minus_maximum(odin_logits(model, p["temperature"], p["epsilon"]), p["temperature"]),
    "mahalanobis": lambda model, p: distances(model, False),
    "mahalanobis-normalised": lambda model, p: distances(model, True),
    "knn": lambda model, p: nearest(model, p["k"], p["per-class"]),
    "gradnorm": lambda model, p: gradnorm(model, 1 / model.classes),
    "feature-norm": lambda model, p: -np.sqrt((model.test**2).sum(1)),
    "gen": lambda model, p: generalised_entropy(model.z, p["gamma"], p["largest"]),
    "kl-matching": lambda model, p: kl_matching(model),
    "rmds": lambda model, p: distances(model, False) - distances(model, False, is_one=True),
    "rmds-normalised": lambda model, p: distances(model, True) - distances(model, True, is_one=True),
    "hpm": lambda model, p: distances(model, True, ridge=p["ridge"]),
    "she": lambda model, p: she(model),
    "vim": lambda model, p: vim(model, p["dimension"]),
    "nnguide": lambda model, p: nnguide(model, p["k"], p["bank"]),
    "fdbd": lambda model, p: fdbd(model),
    "nci": lambda model, p: nci(model, p["alpha"]),
    "react": lambda model, p: react(model, p["percentile"]),
    "dice": lambda model, p: dice(model, p["percentile"]),
    "ash-b": lambda model, p: shaped(model, p["percentile"], "ash-b"),
    "ash-p": lambda model, p: shaped(model, p["percentile"], "ash-p"),
    "ash-s": lambda model, p: shaped(model, p["percentile"], "ash-s"),
    "scale": lambda model, p: shaped(model, p["percentile"], "scale"),
    "adascale-a": lambda model, p: adascale(model, p, False),
    "adascale-l": lambda model, p: adascale(model, p, True),
    "msp-prior": lambda model, p: -(softmax(model.z) - model.prior).max(1),
    "max-logit-prior": lambda model, p: -model.z.max(1) * dissimilarity(model, model.z),
    "energy-prior": lambda model, p: energy(model.z, p["temperature"]) * dissimilarity(model, model.z),
    "entropy-prior": lambda model, p: -(np.exp(log_softmax(model.z)) * (log_softmax(model.z) - np.log(model.prior))).sum(1),
    "odin-prior": lambda model, p: -softmax(odin_logits(model, p["temperature"], p["epsilon"]), p["temperature"]).max(1) * dissimilarity(model, model.z),
    "gradnorm-prior": lambda model, p: gradnorm(model, model.prior),
    "gen-prior": lambda model, p: generalised_entropy(model.z - np.log(model.prior), p["gamma"], p["largest"]),
    "react-prior": rectified_prior(lambda model, p: react(model, p["percentile"])),
    "ash-s-prior": rectified_prior(lambda model, p: shaped(model, p["percentile"], "ash-s")),
    "scale-prior": rectified_prior(lambda model, p: shaped(model, p["percentile"], "scale")),
    "msp-imood": lambda model, p: -(softmax(model.z).max(1) - 1 / model.classes + p["strength"] * log_rarity(model)),
    "energy-imood": lambda model, p: energy(model.z) - p["strength"] * log_rarity(model),
    "mahalanobis-imood": lambda model, p: distances(model, False) - p["strength"] * log_rarity(model),
    "gradnorm-imood": lambda model, p: gradnorm(model, 1 / model.classes) - p["strength"] * log_rarity(model),
}


def outlier_probability(parameters, inputs):
    """COCL: softmax of [z - tau log prior, z_outlier], its last column."""
    z = inputs["outputs"].copy()
    z[:, :-1] -= parameters["tau"] * np.log(inputs["prior"])
    return {"scores": softmax(z)[:, -1], "logits": z[:, :-1]}


def abstention_mass(parameters, inputs):
    """EAT: mean over the heads of the probability of the abstention columns; the class logits are the logarithms of the mean probabilities."""
    outputs, heads = inputs["outputs"], int(parameters["heads"])
    p = np.array([softmax(head) for head in np.split(outputs, heads, axis=1)])
    classes = int(parameters["classes"])
    return {"scores": p[:, :, classes:].sum(2).mean(0), "logits": np.log(p[:, :, :classes].mean(0))}


READOUTS = {"outlier-probability": outlier_probability, "abstention-mass": abstention_mass}
