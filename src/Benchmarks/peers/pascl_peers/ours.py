"""Our own benchmarks: run from the bundle or a build, and read as they write their results."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from . import batch_norm, contrastive, training_step
from .peer import Row
from .timing import Timing

CLASSES = {
    contrastive.SUITE: "ContrastiveLossBenchmarks",
    batch_norm.SUITE: "DualBatchNormBenchmarks",
    training_step.SUITE: "TrainingStepBenchmarks",
}
PASS = {contrastive.SUITE: "forward + backward", batch_norm.SUITE: "forward + backward", training_step.SUITE: "step"}
BASELINES = {(contrastive.SUITE, "NaiveKernels"), (contrastive.SUITE, "Clean")}  # beside those that the results mark themselves
RESULTS = Path("BenchmarkDotNet.Artifacts") / "suites"
PROGRAM = "Pascl.Benchmarks"


@dataclass(frozen=True)
class Ours:
    """Rows of our benchmarks, and a sentence on where they are from, or on why there are none."""

    rows: list[Row]
    sentence: str


def run(bundle: Path, suite: str, workloads: list[str], folder: Path) -> Ours:
    """Runs a suite of the bundle, at some workloads, and reads what it writes below a folder."""
    command = [str((bundle / PROGRAM).resolve()), "--filter", *(f"*{CLASSES[suite]}*: {name})*" for name in workloads)]
    environment = dict(os.environ)
    if "LIBTORCH_PATH" not in environment and not _has_libtorch(bundle):
        environment["LIBTORCH_PATH"] = str(Path(torch.__file__).parent / "lib")
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / RESULTS / f"{CLASSES[suite]}.json"
    result.unlink(missing_ok=True)
    try:
        finished = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as problem:
        return Ours([], f"Ours was not run in {suite}: {problem}.")
    if not result.exists():
        lines = [line for line in finished.stdout.splitlines() if line.strip()] or ["it wrote nothing"]
        print(finished.stdout, file=sys.stderr)
        return Ours([], f"Ours was not measured in {suite}: {PROGRAM} ended with {finished.returncode}; its last line: {lines[-1].strip()}")
    return read(folder / RESULTS, suite, workloads)


def read(folder: Path, suite: str, workloads: list[str]) -> Ours:
    """Reads the result of a suite that was run before."""
    file = folder / f"{CLASSES[suite]}.json"
    try:
        result = json.loads(file.read_text())
        rows = [_row(suite, row) for row in result["Rows"] if row["Workload"] in workloads]
        origin = result["Origin"]
        return Ours(rows, f"Ours in {suite}: {origin['Date'][:16].replace('T', ' ')} UTC, commit {origin['Commit']}, {origin['Machine']}.")
    except FileNotFoundError:
        return Ours([], f"Ours has no result in {suite}: {file} does not exist.")
    except (KeyError, TypeError, ValueError) as problem:
        return Ours([], f"Ours could not be read in {suite}: {file} is not a result of our benchmarks ({problem}).")


def _has_libtorch(bundle: Path) -> bool:
    """Published with libtorch, or a build that notes where the package lies."""
    configuration = bundle / f"{PROGRAM}.runtimeconfig.json"
    try:
        noted = json.loads(configuration.read_text())["runtimeOptions"]["configProperties"]["Pascl.LibTorchFolder"]
    except (OSError, ValueError, KeyError):
        noted = ""
    return (bundle / "libtorch").is_dir() or bool(noted) and Path(noted).is_dir()


def _row(suite: str, row: dict) -> Row:
    on_device = row.get("DeviceNanoseconds")
    time, deviation = (on_device or row["Nanoseconds"]) / 1e3, row["Deviation"] / 1e3
    is_baseline = row["IsBaseline"] or (suite, row["Method"]) in BASELINES
    return Row(
        suite, row["Workload"], PASS[suite], "ours, baseline" if is_baseline else "ours", f"C#: {row['Method']}",
        "bfloat16" if row["Method"] == "BFloat16" else "float32", Timing(time, time - deviation, time + deviation, 0),
        note="median by the GPU's clock ± standard deviation" if on_device else "mean ± standard deviation")
