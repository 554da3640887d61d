#!/usr/bin/env python3
"""Scores images by a model that `pascl export --format onnx` wrote, with onnxruntime, numpy and Pillow alone.

    python3 score.py MODEL IMAGE...      class, probability, out-of-distribution score and decision of each image
    python3 score.py MODEL --examples    computes the examples that lie beside the model again, and compares
    python3 score.py --planes SIZE SIDE INTERPOLATION IMAGE    the bytes that a model would get, without onnxruntime
"""
import base64
import io
import json
import os
import sys

import numpy as np
from PIL import Image, ImageOps

# From version 1.29 on ONNX Runtime sends what it runs to its maker, unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def colours(image):
    """The picture upright, in red, green and blue."""
    return ImageOps.exif_transpose(image).convert("RGBA").convert("RGB")


def cropped(image, size, side, interpolation):
    """(3, size, size) bytes: the shorter side resized to `side`, the square in the centre taken.

    For photographs as torchvision does with Pillow's filters. For small images (`cubic`) each colour goes through the filter in float32 and is rounded once.
    """
    image = colours(image)
    small = interpolation == "cubic"
    width, height = image.size
    lengths = [length * side / min(width, height) for length in (width, height)]
    columns, rows = (round(length) if small else int(length) for length in lengths)
    left, top = ((length - size) // 2 if small else round((length - size) / 2) for length in (columns, rows))
    if small:
        resized = [colour.convert("F").resize((columns, rows), Image.BICUBIC) for colour in image.split()]
        planes = np.clip(np.floor(np.stack([np.asarray(plane) for plane in resized]) + 0.5), 0, 255).astype(np.uint8)
    else:
        resized = image.resize((columns, rows), Image.BILINEAR if interpolation == "bilinear" else Image.BICUBIC)
        planes = np.asarray(resized).transpose(2, 0, 1)
    return np.ascontiguousarray(planes[:, top:top + size, left:left + size])


class Model:
    """A model and what its metadata say."""

    def __init__(self, path):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.class_names = json.loads(metadata["class_names"])
        self.size = int(metadata["image_size"])
        self.side = int(metadata.get("resize_side", self.size))
        self.interpolation = metadata.get("interpolation", "cubic")
        # In eight bits a number about halfway between two may become the other one on another processor.
        self.tolerance = 0.02 if metadata["precision"] == "int8" else 1e-4
        self.takes_pictures = metadata.get("preprocess") == "in-graph"
        self.takes_bytes = self.session.get_inputs()[0].type == "tensor(uint8)"
        there = {output.name for output in self.session.get_outputs()}
        self.outputs = [name for name in ("probabilities", "ood_score", "accepted") if name in there]

    def prepared(self, image):
        """What the model takes: the picture as it is where its graph resizes, (1, height, width, 3), else the planes of its square."""
        if self.takes_pictures:
            return np.asarray(colours(image))[None]
        images = cropped(image, self.size, self.side, self.interpolation)[None]
        return images if self.takes_bytes else images / np.float32(255)

    def score(self, image):
        """Class, its probability, score, and whether it is accepted (None for a model without threshold)."""
        found = dict(zip(self.outputs, self.session.run(self.outputs, {"images": self.prepared(image)})))
        best = int(found["probabilities"][0].argmax())
        accepted = bool(found["accepted"][0]) if "accepted" in found else None
        return self.class_names[best], float(found["probabilities"][0, best]), float(found["ood_score"][0]), accepted


def examples(model, path):
    largest, decisions, count = 0.0, 0, 0
    with open(os.path.splitext(path)[0] + ".examples.json", encoding="utf-8") as file:
        for example in json.load(file):
            _, _, score, accepted = model.score(Image.open(io.BytesIO(base64.b64decode(example["image"]))))
            largest = max(largest, abs(score - example["score"]))
            decisions += "accepted" in example and example["accepted"] != accepted
            count += 1
    print(f"{count} examples: largest difference of a score {largest:.1e}, {decisions} other decisions")
    return 0 if largest < model.tolerance and decisions == 0 else 1


def images(model, paths):
    failed = 0
    for path in paths:
        try:
            name, probability, score, accepted = model.score(Image.open(path))
        except OSError as fault:
            failed = 1
            print(f"{path} is no image: {fault}", file=sys.stderr)
            continue
        decision = {True: ", accepted", False: ", rejected", None: ""}[accepted]
        print(f"{path}: {name} ({probability:.1%}), score {score:.6f}{decision}")
    return failed


def main(arguments):
    if len(arguments) == 5 and arguments[0] == "--planes":
        size, side, interpolation, path = arguments[1:]
        sys.stdout.buffer.write(cropped(Image.open(path), int(size), int(side), interpolation).tobytes())
        return 0
    if len(arguments) < 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    model = Model(arguments[0])
    return examples(model, arguments[0]) if arguments[1] == "--examples" else images(model, arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
