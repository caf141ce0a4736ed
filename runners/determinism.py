"""PyTorch set up so that one specification gives one set of weights."""

from __future__ import annotations

import torch

from runners.errors import DeviceUnavailableError
from runners.specification import Device


def prepare_torch(device: Device, threads: int, seed: int) -> torch.device:
    """Fix threads, algorithms and seed of this process and return the device to train on.

    Bitwise equal weights are promised for one thread on one kind of processor; more threads change the order of sums.

    Raises:
        DeviceUnavailableError: This machine does not have the device.
    """
    if device is not Device.CPU and not _has_accelerator(device):
        raise DeviceUnavailableError(device=device)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(seed)
    return torch.device(device.value)


def _has_accelerator(device: Device) -> bool:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator is not None and accelerator.type == device.value
