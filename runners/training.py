"""Supervised training of the tabular template: plain tensors, one loop, no framework around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from domain_sdk.model_package import WEIGHTS_FILE
from domain_sdk.tabular_classification.network import build_network, save_weights
from runners.determinism import prepare_torch
from runners.errors import TrainingDivergedError
from runners.ordering import counter_order
from runners.output import prepare_output, write_package, write_result
from runners.results import EpochProgress, TrainingResult
from runners.specification import TrainingSpecification
from runners.training_data import EncodedRows, TrainingData, prepare_training_data

Clock = Callable[[], float]
ReportEpoch = Callable[[EpochProgress], None]
_Tensors = tuple[Tensor, Tensor]


def train(specification: TrainingSpecification, report: ReportEpoch, clock: Clock) -> TrainingResult:
    """Train, write the model package and then `result.json`, and return that result.

    Running it again with the same output folder is safe: what an earlier attempt left is replaced.

    Args:
        specification: What to train on what.
        report: Called after every epoch.
        clock: Monotonic seconds.

    Raises:
        DomainSdkError, DatasetTooSmallError, SplitColumnUnusableError: The dataset cannot be used.
        DeviceUnavailableError: This machine does not have the device.
        TrainingDivergedError: The loss is no longer finite.
    """
    started = clock()
    prepare_output(specification.output_dir)
    device = prepare_torch(specification.device, specification.threads, specification.seed)
    data = prepare_training_data(specification)
    class_count = len(data.encoding.target.classes)
    network = build_network(data.encoding.width, specification.hidden_sizes, class_count).to(device)
    for progress in fit_network(network, data, specification, clock):
        report(progress)
        last_epoch = progress
    package = write_package(specification, data.encoding, save_weights(network), last_epoch)
    result = TrainingResult(
        weights_sha256=package.files[WEIGHTS_FILE].sha256,
        last_epoch=last_epoch,
        fitted_row_count=len(data.fitted),
        validation_row_count=len(data.validation),
        held_back_row_count=data.split.held_back_row_count,
        split=data.split,
        duration_seconds=clock() - started,
    )
    write_result(specification.output_dir, result)
    return result


def fit_network(
    network: nn.Module, data: TrainingData, specification: TrainingSpecification, clock: Clock
) -> Iterator[EpochProgress]:
    """Train the network in place, yielding after every epoch.

    Raises:
        TrainingDivergedError: The loss is no longer finite.
    """
    device = next(network.parameters()).device
    fitted, validation = _tensors(data.fitted, device), _tensors(data.validation, device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=specification.learning_rate, weight_decay=specification.weight_decay
    )
    for epoch in range(1, specification.epochs + 1):
        started = clock()
        order = torch.from_numpy(counter_order(len(data.fitted), specification.seed, epoch)).to(device)
        loss = _run_epoch(network, optimizer, fitted, torch.split(order, specification.batch_size))
        validation_loss, accuracy = _measure(network, validation)
        _require_finite(epoch, loss, validation_loss)
        yield EpochProgress(
            epoch=epoch,
            epochs=specification.epochs,
            loss=loss,
            validation_loss=validation_loss,
            accuracy=accuracy,
            duration_seconds=clock() - started,
        )


def _run_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, rows: _Tensors, batches: tuple[Tensor, ...]
) -> float:
    features, labels = rows
    total = torch.zeros((), dtype=torch.float64, device=labels.device)
    for batch in batches:
        loss = nn.functional.cross_entropy(network(features[batch]), labels[batch])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        # Summed on the device: asking for a number every step would make the device wait.
        total += loss.detach() * len(batch)
    return float(total) / len(labels)


def _measure(network: nn.Module, rows: _Tensors) -> tuple[float | None, float | None]:
    features, labels = rows
    if len(labels) == 0:
        return None, None
    with torch.inference_mode():
        logits = network(features)
        loss = nn.functional.cross_entropy(logits, labels)
        accuracy = (logits.argmax(dim=1) == labels).double().mean()
    return float(loss), float(accuracy)


def _require_finite(epoch: int, loss: float, validation_loss: float | None) -> None:
    for value in (loss, validation_loss):
        if value is not None and not math.isfinite(value):
            raise TrainingDivergedError(epoch=epoch, loss=value)


def _tensors(rows: EncodedRows, device: torch.device) -> _Tensors:
    return torch.from_numpy(rows.features).to(device), torch.from_numpy(rows.labels).to(device)
