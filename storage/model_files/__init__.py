"""The door for model files: safetensors, ONNX without outside data, and programs of torch.export.

Nothing is loaded here: files are told apart and judged by their bytes alone.
"""

from storage.model_files.confinement import look_through
from storage.model_files.door import require_safe_model_file
from storage.models.enums import ModelFormat

__all__ = ["ModelFormat", "look_through", "require_safe_model_file"]
