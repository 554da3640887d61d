#!/usr/bin/env python3
"""Times PyTorch and Triton at the workloads of our benchmarks, and shows ours beside them in one table."""

import argparse
import sys
import tempfile
from pathlib import Path

try:
    import torch
except ImportError:
    sys.exit("This needs PyTorch: on Debian `apt-get install python3-torch`, elsewhere see https://pytorch.org.")

from pascl_peers import check, machine, ours, report, suites
from pascl_peers.capabilities import Capabilities

HERE = Path(__file__).resolve().parent


def main() -> int:
    options = read_options()
    if options.check:
        right = check.check(print)
        print("all right" if right else "WRONG: see above")
        return 0 if right else 1
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    # float32 means float32: the tolerance of the verification is that of our benchmarks.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    plan = suites.Plan(
        options.suites, options.workloads, Capabilities(device), options.seconds, options.bundle, options.ours,
        Path(tempfile.mkdtemp(prefix="pascl-peers-")))
    outcome = suites.run_all(plan, lambda sentence: print(sentence, file=sys.stderr, flush=True))
    header = machine.header(device)
    page = report.markdown(header, outcome.sentences, outcome.rows)
    print(page)
    if options.markdown:
        report.write(options.markdown, page)
    if options.json:
        report.write(options.json, report.to_json(header, outcome.sentences, outcome.rows))
    return 1 if any(row.is_wrong for row in outcome.rows) else 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--bundle", type=Path, metavar="FOLDER",
        help=f"run ours, too: a folder with {ours.PROGRAM}; by default the folder above this one where it has it")
    source.add_argument("--ours", type=Path, metavar="FOLDER", help=f"read what ours measured before: {ours.RESULTS} where it ran")
    parser.add_argument("--suites", nargs="+", choices=suites.ALL, default=suites.ALL, metavar="SUITE", help=", ".join(suites.ALL))
    parser.add_argument(
        "--workloads", nargs="+", default=[], metavar="NAME", help="names from workloads.json; by default all, on a CPU the small ones")
    parser.add_argument("--device", help="cuda, cuda:1 or cpu; by default the GPU where torch has one")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one measurement (default 0.5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--check", action="store_true", help="only verify, on the CPU and on small batches; Triton's kernels by emulation")
    options = parser.parse_args()
    known = [workload.name for listed in suites.read() for workload in listed]
    for name in options.workloads:
        if name not in known:
            parser.error(f"There is no workload {name}; there are {', '.join(known)}.")
    if not options.seconds > 0:
        parser.error(f"--seconds is {options.seconds}; it must be above 0.")
    if options.device and options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("torch finds no GPU here; leave --device out, or say --device cpu.")
    for file in (options.json, options.markdown):
        if file and not file.resolve().parent.is_dir():
            parser.error(f"{file} could not be written: its folder does not exist.")
    if options.bundle and not (options.bundle / ours.PROGRAM).exists():
        parser.error(f"There is no {ours.PROGRAM} in {options.bundle}.")
    if not options.bundle and not options.ours and (HERE.parent / ours.PROGRAM).is_file():
        options.bundle = HERE.parent
    return options


if __name__ == "__main__":
    sys.exit(main())
