"""The messages of an ONNX model: which fields each has, and which of them are messages in turn.

Source: onnx.proto3 of ONNX 1.23 (IR version 13). A field that is not here is refused: what nobody knows, nobody has
looked through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType


class Message(Enum):
    """The messages in which something could hide."""

    MODEL = auto()
    OPERATOR_SET = auto()
    TRAINING = auto()
    FUNCTION = auto()
    GRAPH = auto()
    NODE = auto()
    ATTRIBUTE = auto()
    TENSOR = auto()
    SPARSE_TENSOR = auto()


@dataclass(frozen=True)
class Shape:
    """The fields of a message.

    Attributes:
        values: Numbers, texts, and messages in which nothing can hide: types, shapes, remarks.
        messages: The others.
    """

    values: frozenset[int]
    messages: Mapping[int, Message] = field(default_factory=lambda: MappingProxyType({}))


MODEL_VERSION, MODEL_OPERATORS, MODEL_FUNCTIONS = 1, 8, 25
MODEL_GRAPH = 7
FUNCTION_NAME, FUNCTION_DOMAIN = 1, 10
NODE_OPERATOR, NODE_DOMAIN = 4, 7
OPERATOR_SET_DOMAIN = 1
TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION = 13, 14
DATA_OUTSIDE = 1

SHAPES: Mapping[Message, Shape] = MappingProxyType(
    {
        Message.MODEL: Shape(
            frozenset({MODEL_VERSION, 2, 3, 4, 5, 6, 14, 26}),
            {
                MODEL_GRAPH: Message.GRAPH,
                MODEL_OPERATORS: Message.OPERATOR_SET,
                20: Message.TRAINING,
                MODEL_FUNCTIONS: Message.FUNCTION,
            },
        ),
        Message.OPERATOR_SET: Shape(frozenset({OPERATOR_SET_DOMAIN, 2})),
        Message.TRAINING: Shape(frozenset({3, 4}), {1: Message.GRAPH, 2: Message.GRAPH}),
        Message.FUNCTION: Shape(
            frozenset({FUNCTION_NAME, 4, 5, 6, 8, FUNCTION_DOMAIN, 12, 13, 14}),
            {7: Message.NODE, 9: Message.OPERATOR_SET, 11: Message.ATTRIBUTE},
        ),
        Message.GRAPH: Shape(
            frozenset({2, 10, 11, 12, 13, 14, 16}),
            {1: Message.NODE, 5: Message.TENSOR, 15: Message.SPARSE_TENSOR},
        ),
        Message.NODE: Shape(frozenset({1, 2, 3, NODE_OPERATOR, 6, NODE_DOMAIN, 8, 9, 10}), {5: Message.ATTRIBUTE}),
        Message.ATTRIBUTE: Shape(
            frozenset({1, 2, 3, 4, 7, 8, 9, 13, 14, 15, 20, 21}),
            {
                5: Message.TENSOR,
                6: Message.GRAPH,
                10: Message.TENSOR,
                11: Message.GRAPH,
                22: Message.SPARSE_TENSOR,
                23: Message.SPARSE_TENSOR,
            },
        ),
        Message.TENSOR: Shape(
            frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION, 16})
        ),
        Message.SPARSE_TENSOR: Shape(frozenset({3}), {1: Message.TENSOR, 2: Message.TENSOR}),
    }
)

STANDARD_DOMAINS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training"}
)
"""Operators of the standard. Vendors' domains stay out: some of their operators run Python, or load files by name."""
