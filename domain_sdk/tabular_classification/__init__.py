"""The task template "tabular classification": what its trainer and its server both build from.

`network` is not imported here, so that a process which only reads encodings and signatures never loads PyTorch.
"""

from domain_sdk.tabular_classification.encoding import TabularEncoding
from domain_sdk.tabular_classification.signature import InputField, ModelSignature, OutputField, describe_signature
from domain_sdk.tabular_classification.target import TargetColumn

__all__ = ["InputField", "ModelSignature", "OutputField", "TabularEncoding", "TargetColumn", "describe_signature"]
