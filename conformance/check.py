#!/usr/bin/env python3
"""Recomputes every expected value of the conformance cases beside this file from the definitions, with numpy and scikit-learn alone.

    python3 check.py              a line for every case and a total; exit code 1 where a number deviates
    python3 check.py --write      computes the expected values anew and writes them into the files

README.md says what a file holds. Debian 12: apt-get install python3-numpy python3-sklearn
"""

import json
import math
import pathlib
import sys

import numpy as np

import loss_definitions
import metric_definitions
import score_definitions

FOLDER = pathlib.Path(__file__).resolve().parent
FAMILIES = {
    "scores": score_definitions.compute,
    "metrics": metric_definitions.compute,
    "losses": loss_definitions.compute,
}


def sequence(formula):
    """The numbers of {"lcg", "shape", "bits", "shift", "divisor"}; every one is exact in double, and in float32 where bits is at most 24."""
    state, values = formula["lcg"], []
    for _ in range(math.prod(formula["shape"])):
        state = (1664525 * state + 1013904223) % 2**32
        values.append((state // 2 ** (32 - formula["bits"]) + formula["shift"]) / formula["divisor"])
    return np.array(values).reshape(formula["shape"])


def inputs_of(case, setups):
    """The inputs of a case: those of its setup, and its own."""
    given = {**setups.get(case.get("setup"), {}), **case.get("inputs", {})}
    return {name: sequence(value) if isinstance(value, dict) else value if isinstance(value, str) else np.array(value) for name, value in given.items()}


def plain(value):
    """What JSON can hold; a number that is not defined is null."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, (np.integer, int)):
        return int(value)
    value = float(value)
    return value if math.isfinite(value) else None


def deviations(expected, computed, tolerance, path=""):
    """Sentences on what differs: an array may differ by absolute + relative times its largest magnitude, a number by the same of itself."""
    if isinstance(expected, dict):
        if expected.keys() != computed.keys():
            yield f"{path}: the names are {sorted(expected)} in the file and {sorted(computed)} computed"
            return
        for name in expected:
            yield from deviations(expected[name], computed[name], tolerance, f"{path}/{name}")
        return
    here, there = list(flat(expected)), list(flat(computed))
    if len(here) != len(there):
        yield f"{path}: {len(here)} numbers in the file and {len(there)} computed"
        return
    allowed = tolerance["absolute"] + tolerance["relative"] * max([abs(value) for value in here if value is not None], default=0)
    for place, (left, right) in enumerate(zip(here, there)):
        if (left is None) != (right is None) or (left is not None and not abs(left - right) <= allowed):
            yield f"{path}[{place}]: {left} in the file, {right} computed, allowed {allowed:.2g}"


def flat(value):
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


def text_of(value, indent=0):
    """JSON with a line for every name, and arrays of numbers on one line."""
    if isinstance(value, dict) and any(isinstance(item, (dict, list)) for item in value.values()) and "lcg" not in value:
        inner = ",\n".join(f"{' ' * (indent + 2)}{json.dumps(name)}: {text_of(item, indent + 2)}" for name, item in value.items())
        return "{\n" + inner + "\n" + " " * indent + "}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        inner = ",\n".join(" " * (indent + 2) + text_of(item, indent + 2) for item in value)
        return "[\n" + inner + "\n" + " " * indent + "]"
    return json.dumps(value, ensure_ascii=False)


def main(arguments):
    writes = arguments == ["--write"]
    if arguments and not writes:
        print(__doc__)
        return 2
    count, wrong = 0, 0
    for family, compute in FAMILIES.items():
        path = FOLDER / f"{family}.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != 1:
            print(f"{path} has format {content['format']}; this program reads format 1.")
            return 2
        for case in content["cases"]:
            computed = plain(compute(case["quantity"], case.get("parameters", {}), inputs_of(case, content.get("setups", {}))))
            if writes:
                case["expected"] = computed
            found = list(deviations(case["expected"], computed, content["tolerances"][case["tolerance"]]))
            count, wrong = count + 1, wrong + bool(found)
            print(f"{'FAIL' if found else 'ok  '} {family}/{case['name']}{': ' + found[0] if found else ''}")
        if writes:
            path.write_text(text_of(content) + "\n", encoding="utf-8")
    print(f"{count} cases, {wrong} deviate")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
