"""Times of calls: CUDA events around many launches, or the clock of a CPU."""

import statistics
import time
from dataclasses import dataclass
from typing import Callable, Sequence

import torch

REPEATS = 20
REPEATS_OF_LONG_CALLS = 5
LARGEST_INNER = 2000


@dataclass(frozen=True)
class Timing:
    """Microseconds of a call: median and quartiles of measurements of `inner` calls each."""

    median: float
    lower: float
    upper: float
    inner: int

    @staticmethod
    def of(microseconds: Sequence[float], inner: int) -> "Timing":
        lower, median, upper = statistics.quantiles(microseconds, n=4, method="inclusive")
        return Timing(median, lower, upper, inner)


def measure(calls: Sequence[Callable[[], object]], device: torch.device, seconds: float) -> Timing:
    """Times calls in turn, so that each finds the inputs of the one before it in the cache, not its own."""
    once = _cuda if device.type == "cuda" else _cpu
    once(calls, max(3, len(calls)))  # warm-up: compilation, allocator, clocks
    estimate = once(calls, max(3, len(calls))) * 1e-6
    inner = int(min(LARGEST_INNER, max(1, seconds / REPEATS / max(estimate, 1e-9))))
    repeats = REPEATS if estimate * inner * REPEATS <= 4 * seconds else REPEATS_OF_LONG_CALLS
    return Timing.of([once(calls, inner) for _ in range(repeats)], inner)


def copies(input_bytes: int, device: torch.device) -> int:
    """How many inputs are together twice as large as the L2 cache; one on a CPU."""
    if device.type != "cuda":
        return 1
    cache = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 64 << 20)
    return max(2, min(256, 1 + 2 * cache // input_bytes))


class Graphed:
    """A step whose launches were captured once and are replayed as one CUDA graph per pass."""

    def __init__(self, step):
        self.step = step
        self.forward = self._capture(step.forward)
        self.both = self._capture(step.both)

    @staticmethod
    def _capture(call: Callable[[], object]) -> Callable[[], object]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = call()

        def replay():
            graph.replay()
            return result

        return replay


def _cuda(calls: Sequence[Callable[[], object]], inner: int) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for index in range(inner):
        calls[index % len(calls)]()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e3 / inner


def _cpu(calls: Sequence[Callable[[], object]], inner: int) -> float:
    started = time.perf_counter()
    for index in range(inner):
        calls[index % len(calls)]()
    return (time.perf_counter() - started) * 1e6 / inner
