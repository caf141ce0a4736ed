"""Errors of the door for model files.

StorageError
└── ModelFileRefusedError  MODEL_FILE_REFUSED

Files with pickled objects are refused by `storage.datasets.errors.PickleRefusedError`.
"""

from __future__ import annotations

from storage.errors import StorageError


class ModelFileRefusedError(StorageError):
    """A file from outside that is no model, or not one that can be loaded without trusting its author."""

    code = "MODEL_FILE_REFUSED"
    hint = "Give weights as safetensors, a model as one ONNX file with its weights inside, or a torch.export program."

    def __init__(self, *, file: str, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"{file} is refused as a model: {reason}.")
