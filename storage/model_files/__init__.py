"""The door for model files from outside: safetensors, ONNX without outside data, and programs of torch.export.

Nothing is loaded here: files are told apart and judged by their bytes alone.
"""

from storage.model_files.door import ModelFormat, require_safe_model_file

__all__ = ["ModelFormat", "require_safe_model_file"]
