"""The self-test: every peer that a CPU can run against the oracle, on small batches; the Triton kernels by emulation."""

import os
from pathlib import Path

import torch

from . import batch_norm, contrastive, golden, machine, oracle, training_step
from .capabilities import Capabilities
from .contrastive_triton import Tiling, TritonLoss
from .peer import Row, run
from .suites import peers_at, require_same_numbers
from .workloads import BatchNormWorkload, LossBatch, LossWorkload, TrainingWorkload, read

BATCHES = [
    LossWorkload("ragged", 41, 17, 37, 9, 5, 16, 0.07, None),
    LossWorkload("no tail image", 9, 0, 5, 6, 2, 16, 0.1, None),
    LossWorkload("no outlier", 9, 4, 0, 6, 2, 16, 0.1, None),
    LossWorkload("a launch for the selection", 1030, 40, 70, 6, 2, 16, 0.1, None),
    LossWorkload("every image is an anchor, sharp", 20, 20, 3, 6, 2, 16, 0.02, None),
]
UNDEFINED = {("no tail image", "authors' operations, eager")}  # the mean over no anchor


def check(tell) -> bool:
    """Runs all checks and tells each result; true where all are right."""
    device = torch.device("cpu")
    torch.set_num_threads(1)  # the batches are too small for more, and threads that wait for work would hold up other programs
    emulating = Capabilities(device, emulates=True)
    rows = [row for batch in BATCHES for row in peers_at(contrastive.SUITE, batch, emulating, seconds=0)]
    rows += peers_at(batch_norm.SUITE, BatchNormWorkload("ragged", 7, 3, 5), Capabilities(device), seconds=0)
    # Below 16 channels oneDNN writes beside its memory in a sampled 1x1 convolution with channels last, on some processors (uxlfoundation/oneDNN#6035).
    rows += peers_at(training_step.SUITE, TrainingWorkload("tiny", 16, 12), Capabilities(device), seconds=0)
    results = [_told(row, tell) for row in rows if row.pass_name != "forward"]
    results += [_same_numbers(workload, tell) for workload in read()[0] if workload.loss is not None]
    results += [_large_tiles(tell), _catches_what_is_wrong(tell), _golden(tell)]
    return all(results)


def _told(row: Row, tell) -> bool:
    undefined = (row.workload, row.implementation) in UNDEFINED
    # With channels last torch 1.13 gives other gradients on some processors, 0.7 % off; then it is the baseline that is wrong, and the table says so.
    is_old_torch = row.suite == training_step.SUITE and torch.__version__.startswith("1.")
    failed = (row.is_wrong and not is_old_torch) or row.note.startswith("could not")
    text = row.note if row.error is None or row.is_wrong else f"relative error {row.error:.1e}"
    tell(f"{row.suite}, {row.workload}: {row.implementation}: {'not defined there' if undefined else text}")
    return undefined or not failed


def _same_numbers(workload: LossWorkload, tell) -> bool:
    batch = LossBatch(workload, torch.device("cpu"))
    require_same_numbers(workload, oracle.contrastive(batch)[0])
    tell(f"{workload.name}: the loss that our benchmarks have")
    return True


def _large_tiles(tell) -> bool:
    batch = LossBatch(BATCHES[0], torch.device("cpu"))
    expected = oracle.contrastive(batch)
    errors = [contrastive.verify(expected, TritonLoss(batch, is_fused, "ieee", Tiling(64, 32, 3, 4, 1))) for is_fused in (True, False)]
    tell(f"tiles larger than the batch: relative error {max(errors):.1e}")
    return max(errors) <= 1e-4


def _catches_what_is_wrong(tell) -> bool:
    """A peer that is off by a thousandth must be reported as wrong."""
    batch = LossBatch(BATCHES[0], torch.device("cpu"))
    loss, gradient = oracle.contrastive(batch)
    altered = contrastive.peers(batch, (loss, 1.001 * gradient), Capabilities(batch.features.device))
    caught = run(altered[1], contrastive.SUITE, "altered", 1, batch.features.device, seconds=0)
    tell(f"a gradient that is off by a thousandth: {caught[0].note}")
    return caught[0].is_wrong


def _golden(tell) -> bool:
    folder = Path(os.environ.get("PASCL_GOLDEN", machine.FOLDER / "../../../../shared/golden"))
    if not (folder / "losses.json").exists():
        tell(f"golden values: left out, because {folder} does not exist; PASCL_GOLDEN may name it")
        return True
    errors = golden.contrastive_error(folder), golden.first_step_error(folder)
    tell(f"golden values: the oracle differs by {errors[0]:.1e}, the network's first loss by {errors[1]:.1e}")
    return errors[0] <= 1e-6 and errors[1] <= 1e-4
