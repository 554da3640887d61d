"""What the header of a report says: where and when it was measured, and by which versions."""

import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import torch

from .capabilities import triton

FOLDER = Path(__file__).resolve().parent.parent


def header(device: torch.device) -> dict[str, str]:
    """Names and values, all of them text."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        name = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, sm_{properties.major}{properties.minor}"
        driver = _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") or "unknown"
    else:
        name, driver = f"{_processor()}, {torch.get_num_threads()} threads", "none: CPU"
    return {
        "device": name,
        "driver": driver.splitlines()[0],
        "torch": torch.__version__,
        "CUDA of torch": torch.version.cuda or "none",
        "triton": triton.__version__ if triton else "none",
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
    }


def commit() -> str:
    """As noted when the bundle was built, else of the checkout."""
    noted = FOLDER / "COMMIT"
    return noted.read_text().strip() if noted.exists() else _output("git", "-C", str(FOLDER), "describe", "--always", "--dirty") or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
