"""One table of ours and theirs, as JSON and as Markdown. A loss of ours is called a loss."""

import json
import os
from pathlib import Path

from .peer import Row

HEADINGS = "| workload | pass | whose | implementation | precision | time | error | ours against it | remark |\n|---|---|---|---|---|---|---|---|---|\n"


def fastest_of_ours(rows: list[Row], row: Row) -> Row | None:
    """Ours at the workload and pass of a row, in the fastest way."""
    same = [other for other in rows if other.source == "ours" and other.timing
            and (other.suite, other.workload, other.pass_name) == (row.suite, row.workload, row.pass_name)]
    return min(same, key=lambda other: other.timing.median, default=None)


def verdict(row: Row, ours: Row | None) -> str:
    """How ours compares with a row, in words."""
    if row.source == "ours" or row.timing is None or ours is None:
        return ""
    ratio = row.timing.median / ours.timing.median
    return f"{ratio:.2f}x as fast" if ratio >= 1 else f"**a loss: {1 / ratio:.2f}x as long**"


def markdown(header: dict[str, str], sentences: list[str], rows: list[Row]) -> str:
    """The whole page."""
    parts = ["# Ours and its Python peers\n\n", "".join(f"* {name}: {value}\n" for name, value in header.items()), "\n"]
    parts += [
        "Times of peers: median [quartiles] of 20 measurements (5 where a call is long). Times of ours: mean ± standard deviation of BenchmarkDotNet's. ",
        "Every peer was compared with float64 before it was timed; the error is that of its worst result, relative, in the Euclidean norm. ",
        "\"Ours against it\" compares with the fastest of ours at the same workload and pass.\n",
        "".join(f"\n{sentence}\n" for sentence in sentences),
    ]
    for suite in dict.fromkeys(row.suite for row in rows):
        here = [row for row in rows if row.suite == suite]
        parts += [f"\n## {suite}\n\n", HEADINGS]
        for row in (row for row in here if not row.is_left_out):
            error = "" if row.error is None else f"{row.error:.1e}"
            parts.append(
                f"| {row.workload} | {row.pass_name} | {row.source} | {row.implementation} | {row.precision} | {_time(row)} | {error} "
                f"| {verdict(row, fastest_of_ours(rows, row))} | {'**WRONG** ' if row.is_wrong else ''}{row.note} |\n")
        left_out = dict.fromkeys(f"\n{row.implementation}: {row.note}.\n" for row in here if row.is_left_out)
        parts += list(left_out)
    return "".join(parts)


def to_json(header: dict[str, str], sentences: list[str], rows: list[Row]) -> str:
    """The same as data; times in microseconds."""
    entries = [{**row.as_dict(), "ours_against_it": verdict(row, fastest_of_ours(rows, row))} for row in rows]
    return json.dumps({"header": header, "sentences": sentences, "rows": entries}, indent=2) + "\n"


def write(path: Path, text: str) -> None:
    """Replaces a file as a whole."""
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text)
    os.replace(temporary, path)


def _time(row: Row) -> str:
    if row.timing is None:
        return ""
    timing = row.timing
    if row.source != "peer":
        return f"{_length(timing.median)} ± {_length(timing.upper - timing.median)}"
    return f"{_length(timing.median)} [{_length(timing.lower)}, {_length(timing.upper)}]"


def _length(microseconds: float) -> str:
    for limit, divisor, unit in ((1e3, 1, "us"), (1e6, 1e3, "ms")):
        if microseconds < limit:
            return f"{microseconds / divisor:.1f} {unit}"
    return f"{microseconds / 1e6:.2f} s"
