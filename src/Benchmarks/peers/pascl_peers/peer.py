"""A peer: something that is verified first and timed only then."""

import gc
from dataclasses import asdict, dataclass, field
from typing import Callable

import torch

from .timing import Timing, measure

ALLOWED = {"float32": 1e-4, "bfloat16": 2e-2}  # relative error of a result in the Euclidean norm; the first is that of our benchmarks


@dataclass(frozen=True)
class Row:
    """A line of the table: who, at which workload, which pass; a time, or a sentence that says why there is none."""

    suite: str
    workload: str
    pass_name: str
    source: str  # "ours", "ours, baseline" or "peer"
    implementation: str
    precision: str
    timing: Timing | None = None
    error: float | None = None
    is_wrong: bool = False
    note: str = ""
    is_left_out: bool = False  # because of something that this machine lacks, at every workload

    def as_dict(self) -> dict:
        return asdict(self)


@dataclass
class Peer:
    """An implementation of one workload.

    build(copies) gives the steps that are timed in turn, each with its passes; verify(step) gives the largest relative
    error of its results. Where `missing` is a sentence, neither is called.
    """

    name: str
    precision: str
    build: Callable[[int], list[object]]
    verify: Callable[[object], float]
    passes: dict[str, str]  # heading: name of the step's method
    missing: str = ""
    allowed: float | None = None
    note: Callable[[object], str] = field(default=lambda step: "")

    @property
    def tolerance(self) -> float:
        return ALLOWED[self.precision] if self.allowed is None else self.allowed


def run(peer: Peer, suite: str, workload: str, copies: int, device: torch.device, seconds: float) -> list[Row]:
    """Verifies a peer and times its passes; `seconds` of 0 only verifies."""

    def rows(**values) -> list[Row]:
        return [Row(suite, workload, heading, "peer", peer.name, peer.precision, **values) for heading in peer.passes]

    if peer.missing:
        return rows(note=peer.missing, is_left_out=True)
    try:
        steps = peer.build(copies)
        error = peer.verify(steps[0])
        if not error <= peer.tolerance:
            return rows(error=error, is_wrong=True, note=f"wrong by {error:.1e} of its size, {peer.tolerance:.0e} is allowed; not timed")
        note = peer.note(steps[0])
        timings = [
            measure([getattr(step, method) for step in steps], device, seconds) if seconds > 0 else None for method in peer.passes.values()
        ]
        return [
            Row(suite, workload, heading, "peer", peer.name, peer.precision, timing, error, note=note)
            for heading, timing in zip(peer.passes, timings)
        ]
    except Exception as problem:  # Triton's and torch.compile's own errors have no common base; a peer that fails must not end the others
        return rows(note=f"could not be run: {first_line(problem)}")
    finally:
        if device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()


def first_line(problem: BaseException) -> str:
    """What went wrong, short enough for a table."""
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return lines[0][:200].replace("|", "/")
