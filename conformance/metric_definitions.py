"""Metrics by their definitions: scikit-learn where it has them, plain counting where it has not. Out-of-distribution is positive unless stated."""

import math

import numpy as np
from scipy.stats import beta
from sklearn import metrics as sk

NONE = float("nan")
DETECTION = (
    "auroc", "auprOut", "auprIn", "auprOutTrapezoid", "auprInTrapezoid",
    "fpr95", "fpr95FirstReached", "fpr95InPositive", "fpr95InPositiveFirstReached", "fpr95InPositiveStrict",
)


def compute(quantity, parameters, inputs):
    return QUANTITIES[quantity](parameters, inputs)


def detection(out, inside):
    """All numbers of a pair of sets of scores."""
    if len(out) == 0 or len(inside) == 0:
        return dict.fromkeys(DETECTION, NONE)
    truth, scores = np.r_[np.ones(len(out)), np.zeros(len(inside))], np.r_[out, inside]
    return {
        "auroc": sk.roc_auc_score(truth, scores),
        "auprOut": sk.average_precision_score(truth, scores),
        "auprIn": sk.average_precision_score(1 - truth, -scores),
        "auprOutTrapezoid": trapezoid(truth, scores),
        "auprInTrapezoid": trapezoid(1 - truth, -scores),
        "fpr95": nearest_rate(out, inside),
        "fpr95FirstReached": first_rate(out, inside),
        "fpr95InPositive": nearest_rate(-inside, -out),
        "fpr95InPositiveFirstReached": first_rate(-inside, -out),
        "fpr95InPositiveStrict": float((out < np.sort(inside)[max(1, math.floor(0.95 * len(inside))) - 1]).mean()),
    }


def trapezoid(truth, scores):
    precision, recall, _ = sk.precision_recall_curve(truth, scores)
    return sk.auc(recall, precision)


def rates(positives, negatives):
    """(recall, false-positive rate) at every threshold, falling, from the one above all scores on."""
    thresholds = sorted(set(positives) | set(negatives), reverse=True)
    return [(0.0, 0.0)] + [(float((positives >= t).mean()), float((negatives >= t).mean())) for t in thresholds]


def nearest_rate(positives, negatives, level=0.95):
    """At the recall nearest to the level; of equally near ones the higher recall, then more false positives; none behind the first full recall."""
    points = rates(positives, negatives)
    points = points[: next(place for place, (recall, _) in enumerate(points) if recall == 1) + 1]
    return min(points, key=lambda point: (abs(point[0] - level), -point[0], -point[1]))[1]


def first_rate(positives, negatives, level=0.95):
    return next(rate for recall, rate in rates(positives, negatives) if recall >= level)


def shot_groups(counts, rule):
    """0 many, 1 medium, 2 few for every class."""
    counts = [int(count) for count in counts]
    ordered = sorted(counts, reverse=True)
    many, few = (ordered[int(0.34 * len(counts))], ordered[int(0.67 * len(counts))]) if rule == "rank" else (100, 20)
    return np.array([0 if count > many else 2 if count < few else 1 for count in counts])


def by_group(per_class, groups):
    """Mean over the classes of a group that have images, every class counting alike."""
    def mean(group):
        chosen = [share for share, of in zip(per_class, groups) if of == group and not math.isnan(share)]
        return sum(chosen) / len(chosen) if chosen else NONE
    return {"many": mean(0), "medium": mean(1), "few": mean(2)}


def shares(labels, hits, counts, rule):
    """The share of hits overall and by shot group, and for every class."""
    per_class = [hits[labels == label].mean() if (labels == label).any() else NONE for label in range(len(counts))]
    return {"overall": hits.mean() if len(hits) else NONE, **by_group(per_class, shot_groups(counts, rule))}, per_class


def groups(parameters, inputs):
    out, inside, labels = inputs["out"], inputs["in"], inputs["labels"].astype(int)
    tail = np.isin(labels, inputs["tail"])
    of = shot_groups(inputs["counts"], parameters["rule"])[labels]
    chosen = {"tail": tail, "head": ~tail, "many": of == 0, "medium": of == 1, "few": of == 2}
    return {name: detection(out, inside[mask]) for name, mask in chosen.items()}


def operating_points(parameters, inputs):
    out, inside = inputs["out"], inputs["in"]
    labels, predictions = inputs["labels"].astype(int), inputs["predictions"].astype(int)
    # scikit-learn 1.2 and the convention here: the point of no positives has the highest score + 1.
    fpr, tpr, thresholds = sk.roc_curve(np.r_[np.ones(len(out)), np.zeros(len(inside))], np.r_[out, inside], drop_intermediate=True)
    thresholds[0] = thresholds[1] + 1
    result = {}
    for kind, of, levels in (("falsePositive", fpr, (0.0001, 0.001, 0.01, 0.1)), ("truePositive", tpr, (0.98, 0.95, 0.90, 0.80))):
        for level in levels:
            place = int(np.argmin(np.abs(of - level)))
            threshold = thresholds[place]
            accepted = inside <= threshold
            rejection, per_class = shares(labels, inside > threshold, inputs["counts"], parameters["rule"])
            result[f"{kind} {level}"] = {
                "threshold": threshold,
                "falsePositiveRate": fpr[place],
                "truePositiveRate": tpr[place],
                "accuracy": shares(labels[accepted], (labels == predictions)[accepted], inputs["counts"], parameters["rule"])[0],
                "testFalsePositiveRate": shares(labels, inside >= threshold, inputs["counts"], parameters["rule"])[0],
                "rejection": rejection,
                "rejectionPerClass": per_class,
            }
    return result


def correct_classification(_, inputs):
    out, inside, errors = np.sort(inputs["out"]), inputs["in"], inputs["errors"].astype(bool)
    return {f"{rate}": float((~errors & (inside < out[math.ceil(rate * len(out)) - 1])).sum() / len(inside)) for rate in (0.0001, 0.001, 0.01, 0.1)}


def classification(parameters, inputs):
    labels, predictions = inputs["labels"].astype(int), inputs["predictions"].astype(int)
    accuracy, per_class = shares(labels, labels == predictions, inputs["counts"], parameters["rule"])
    classes = list(range(len(inputs["counts"])))
    return {
        "accuracy": accuracy,
        "perClassAccuracy": per_class,
        "macroF1": sk.f1_score(labels, predictions, average="macro") if len(labels) else NONE,
        "confusion": sk.confusion_matrix(labels, predictions, labels=classes) if len(labels) else np.zeros((len(classes), len(classes)), int),
        "shotGroups": shot_groups(inputs["counts"], parameters["rule"]),
    }


def calibration(_, inputs):
    p, right = inputs["probabilities"], ~inputs["errors"].astype(bool)
    bins = np.clip(np.ceil(15 * p).astype(int) - 1, 0, 14)
    chosen = [bins == b for b in range(15)]
    return {
        "expectedCalibrationError": sum(abs(p[c].mean() - right[c].mean()) * c.sum() / len(p) for c in chosen if c.any()) if len(p) else NONE,
        "images": [int(c.sum()) for c in chosen],
        "meanProbability": [p[c].mean() if c.any() else NONE for c in chosen],
        "accuracy": [right[c].mean() if c.any() else NONE for c in chosen],
    }


def accepted_errors(scores, errors):
    """E(k) for k = 1 ... n: expected errors among the k images of lowest score, ties in any order."""
    result, before = [], 0.0
    for value in sorted(set(scores)):
        tied = scores == value
        wrong, size = errors[tied].sum(), int(tied.sum())
        result += [before + wrong * place / size for place in range(1, size + 1)]
        before += wrong
    return np.array(result)


def selective_risk(_, inputs):
    scores, errors = inputs["scores"], inputs["errors"].astype(float)
    n = len(scores)
    if n == 0:
        return {"aurc": NONE, "excessAurc": NONE, "augrc": NONE, "coverage": [], "risk": []}
    places = np.arange(1, n + 1)
    found = accepted_errors(scores, errors)
    best = np.cumsum(np.sort(errors))
    kept = sorted({(step * n + 99) // 100 for step in range(1, 101)})
    return {
        "aurc": (found / places).mean(),
        "excessAurc": (found / places).mean() - (best / places).mean(),
        "augrc": (found / n).mean(),
        "coverage": [k / n for k in kept],
        "risk": [found[k - 1] / k for k in kept],
    }


def share_interval(parameters, _):
    """Clopper and Pearson, 95 %."""
    hits, count = parameters["hits"], parameters["count"]
    return {
        "low": 0.0 if hits == 0 else beta.ppf(0.025, hits, count - hits + 1),
        "high": 1.0 if hits == count else beta.ppf(0.975, hits + 1, count - hits),
    }


def future_share(parameters, _):
    """Where the share of new images lies that a threshold between the k-th and the next of n scores accepts."""
    k, n = parameters["hits"], parameters["count"]
    return {"low": beta.ppf(0.025, k, n - k + 1), "high": beta.ppf(0.975, *((n, 1) if k == n else (k + 1, n - k)))}


def threshold(parameters, inputs):
    """The middle between the k-th lowest score, k / n the first share of at least the one asked for, and the next higher one."""
    scores = np.sort(inputs["scores"])
    k = next(k for k in range(1, len(scores) + 1) if k / len(scores) >= parameters["share"])
    above = scores[scores > scores[k - 1]]
    value = (scores[k - 1] + above[0]) / 2 if len(above) else scores[k - 1]
    return {"threshold": value, "accepted": float((scores <= value).mean())}


QUANTITIES = {
    "detection": lambda _, inputs: detection(inputs["out"], inputs["in"]),
    "detection by group": groups,
    "operating points": operating_points,
    "correct classification": correct_classification,
    "classification": classification,
    "calibration": calibration,
    "selective risk": selective_risk,
    "share interval": share_interval,
    "future share": future_share,
    "threshold": threshold,
}
