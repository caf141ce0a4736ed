"""The template's network, its weights as safetensors, and its probabilities."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from domain_sdk.errors import ModelPackageInvalidError
from domain_sdk.model_package import WEIGHTS_FILE


def build_network(width: int, hidden_sizes: tuple[int, ...], class_count: int) -> nn.Sequential:
    """Return a multilayer perceptron with ReLU between its layers, initialised from PyTorch's global generator.

    It maps float32 `[batch, width]` to logits `[batch, class_count]`.
    """
    layers: list[nn.Module] = []
    for size_in, size_out in itertools.pairwise((width, *hidden_sizes, class_count)):
        layers += [nn.Linear(size_in, size_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def save_weights(network: nn.Module) -> bytes:
    """Return the weights as safetensors; equal weights give equal bytes."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})


def load_network(weights: bytes, width: int, hidden_sizes: tuple[int, ...], class_count: int) -> nn.Sequential:
    """Return the network in evaluation mode, on the CPU, with these weights and no others.

    Raises:
        ModelPackageInvalidError: The bytes are not safetensors, do not fit the architecture, or hold NaN or infinity.
    """
    with torch.device("meta"):
        network = build_network(width, hidden_sizes, class_count)
    try:
        tensors = load(weights)
        network.load_state_dict(tensors, strict=True, assign=True)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        reason = f"not safetensors weights of this architecture ({str(error)[:200]})"
        raise ModelPackageInvalidError(file=WEIGHTS_FILE, reason=reason) from error
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or not bool(torch.isfinite(tensor).all()):
            raise ModelPackageInvalidError(file=WEIGHTS_FILE, reason=f"{name} is not finite float32")
    return network.eval().requires_grad_(requires_grad=False)


def class_probabilities(network: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return float64 `[batch, classes]`, each row summing to 1, for float32 `[batch, width]`."""
    with torch.inference_mode():
        logits = network(torch.from_numpy(features))
        probabilities: NDArray[np.float64] = torch.softmax(logits.double(), dim=1).numpy()
    return probabilities
