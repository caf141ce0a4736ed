"""The floor for `learning.experiment`: the same network on the same data in one plain script.

`python bare_training.py FILE.parquet TARGET`: read, split, standardise, train, evaluate, save the weights.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from pyarrow import parquet
from safetensors.torch import save_file

EPOCHS, HIDDEN, BATCH = 30, 128, 64


def main(path: str, target: str) -> None:
    """Train and print the accuracy on held-back rows."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table = parquet.read_table(path)
    labels = torch.from_numpy(table.column(target).to_numpy().astype(np.int64))
    columns = [table.column(name).to_numpy() for name in table.schema.names if name != target]
    features = torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
    order = torch.randperm(len(labels))
    held_back, training = order[: len(order) // 5], order[len(order) // 5 :]
    mean, scale = features[training].mean(0), features[training].std(0).clamp_min(1e-6)
    features = (features - mean) / scale
    model = torch.nn.Sequential(
        torch.nn.Linear(features.shape[1], HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, int(labels.max()) + 1),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    for _ in range(EPOCHS):
        for rows in training[torch.randperm(len(training))].split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(features[rows]), labels[rows]).backward()
            optimizer.step()
    with torch.inference_mode():
        accuracy = (model(features[held_back]).argmax(1) == labels[held_back]).float().mean()
    with tempfile.TemporaryDirectory() as folder:
        save_file(model.state_dict(), Path(folder) / "model.safetensors")
    print(float(accuracy))


if __name__ == "__main__":
    main(*sys.argv[1:])
