#!/usr/bin/env python3
"""Times torchvision on Pillow images at what our loader does with photographs: python3 photograph_loading.py FOLDER

Random resized crops of 224 pixels, flip, colour jitter and greyscale, one view and two of every image, in one process and one thread. Beside it, in the same minute:
dotnet run -c Release --project src/Benchmarks -- photographs FOLDER. Both count seconds of the processor, so that what else the machine does is left out.
"""

import sys
import time
from pathlib import Path

try:
    import torch
    from PIL import Image
    from torchvision import transforms
except ImportError:
    sys.exit("This needs torchvision and Pillow: on Debian `apt-get install python3-torchvision`.")

ENDINGS = {".jpg", ".jpeg", ".png"}


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    files = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.suffix.lower() in ENDINGS)
    if not files:
        sys.exit(f"{sys.argv[1]} holds no images.")
    torch.set_num_threads(1)
    view = transforms.Compose([
        transforms.RandomResizedCrop(224, scale=(0.2, 1)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        transforms.RandomGrayscale(p=0.2),
        transforms.ToTensor(),
    ])
    for views in (1, 2):
        epoch(files, view, views)
        epochs = 1 + 300 // len(files)
        start = time.process_time()
        for _ in range(epochs):
            epoch(files, view, views)
        seconds = (time.process_time() - start) / epochs
        print(f"{len(files)} photographs, {views} views: {len(files) / seconds:.0f} images per second of one core ({1000 * seconds / len(files):.2f} ms each)")
    print("Microseconds for an image, " + ", ".join(f"{name}: {microseconds:.0f}" for name, microseconds in stages(files, view.transforms)))
    return 0


def stages(files, steps):
    """What the parts of a view take: decoding with the file's reading, then each step of the view on what the step before made."""
    images, names = files, ["reading and decoding", "crop", "flip", "colours", "grey", "floats"]
    for name, step in zip(names, [lambda file: Image.open(file).convert("RGB"), *steps]):
        start, repeats = time.process_time(), 1 + 300 // len(files)
        for image in images * repeats:
            step(image)
        yield name, 1e6 * (time.process_time() - start) / repeats / len(images)
        images = [step(image) for image in images]


def epoch(files, view, views):
    for file in files:
        image = Image.open(file).convert("RGB")
        for _ in range(views):
            view(image)


if __name__ == "__main__":
    sys.exit(main())
