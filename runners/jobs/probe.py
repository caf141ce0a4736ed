"""Print which accelerator PyTorch finds here, as one JSON line: `python -m runners.jobs.probe`."""

from __future__ import annotations

import json
import sys

import torch


def _profile() -> str | None:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return None
    if accelerator.type == "cuda":
        # ROCm builds of PyTorch answer to the name cuda.
        return "amd" if torch.version.hip else "nvidia"
    return "intel" if accelerator.type == "xpu" else None


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"profile": _profile()}) + "\n")
