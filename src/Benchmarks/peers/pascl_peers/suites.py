"""Runs the suites: for each workload the oracle, then every peer; ours directly after them."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from . import batch_norm, contrastive, oracle, ours, training_step
from .capabilities import Capabilities
from .peer import Row, run
from .timing import copies
from .workloads import LossBatch, read

ALL = [contrastive.SUITE, batch_norm.SUITE, training_step.SUITE]
SMALL_ON_CPU = ["cifar10-lt", "cifar100-lt", "imagenet-lt", "resnet18-stage4"]  # what a CPU runs when no workload is named


@dataclass(frozen=True)
class Plan:
    """What is run. `bundle` runs ours, `results` reads what ours measured before; both may be None."""

    suites: list[str]
    workloads: list[str]  # empty: all that the device can do in reasonable time
    have: Capabilities
    seconds: float
    bundle: Path | None = None
    results: Path | None = None
    folder: Path = Path(".")


@dataclass
class Outcome:
    """Rows of the table, and sentences above it."""

    rows: list[Row] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


def names(suite: str, plan: Plan) -> list[str]:
    """The workloads of a suite that are run."""
    listed = [workload.name for workload in read()[ALL.index(suite)]]
    if plan.workloads:
        return [name for name in listed if name in plan.workloads]
    if plan.have.is_cuda:
        return listed
    return [name for name in listed if name in SMALL_ON_CPU] or listed[:1]


def run_all(plan: Plan, tell=lambda sentence: None) -> Outcome:
    """Runs everything; `tell` hears what is being done."""
    outcome = Outcome()
    for suite in plan.suites:
        chosen = names(suite, plan)
        for workload in read()[ALL.index(suite)]:
            if workload.name in chosen:
                tell(f"{suite}, {workload.name}: peers")
                outcome.rows += peers_at(suite, workload, plan.have, plan.seconds)
        mine = None
        if plan.bundle and chosen:
            tell(f"{suite}: ours")
            mine = ours.run(plan.bundle, suite, chosen, plan.folder)
        elif plan.results and chosen:
            mine = ours.read(plan.results, suite, chosen)
        if mine:
            outcome.rows += mine.rows
            outcome.sentences.append(mine.sentence)
    order = {name: place for place, name in enumerate(workload.name for listed in read() for workload in listed)}
    outcome.rows.sort(key=lambda row: (ALL.index(row.suite), order[row.workload], row.pass_name, row.source))
    return outcome


def peers_at(suite: str, workload, have: Capabilities, seconds: float) -> list[Row]:
    """Verifies and times every peer at one workload; `seconds` of 0 only verifies."""
    device = have.device
    try:
        if suite == contrastive.SUITE:
            batch = LossBatch(workload, device)
            expected = oracle.contrastive(batch)
            require_same_numbers(workload, expected[0])
            listed, input_bytes = contrastive.peers(batch, expected, have), batch.bytes
        elif suite == batch_norm.SUITE:
            batch = batch_norm.Batch(workload, device)
            expected = oracle.batch_norm(batch.inputs, batch.upstream, workload.in_distribution_images)
            listed, input_bytes = batch_norm.peers(batch, expected, have), batch.inputs.numel() * 4
        else:
            batch = training_step.Batch(workload, device)
            listed, input_bytes = training_step.peers(batch, training_step.expected(batch), have), batch.images.numel() * 4
    except torch.cuda.OutOfMemoryError as problem:
        return [Row(suite, workload.name, "", "peer", "all", "", note=f"the oracle does not fit: {str(problem).splitlines()[0]}")]
    number = copies(input_bytes, device) if seconds > 0 else 1
    return [row for peer in listed for row in run(peer, suite, workload.name, number, device, seconds)]


def require_same_numbers(workload, loss: float) -> None:
    """Ours computes the same loss of a workload, so the random numbers, labels and weights are the same."""
    if workload.loss is not None and not abs(loss - workload.loss) <= 1e-6 * workload.loss:
        raise SystemExit(
            f"The loss of {workload.name} is {loss}, but our benchmarks have {workload.loss}: the numbers differ. "
            "Write workloads.json again with the benchmarks' verb `workloads`.")
