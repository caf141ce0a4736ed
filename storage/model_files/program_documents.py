"""The JSON in programs of torch.export: no text in it may become code, a module to be imported, or a file to be read.

PyTorch finds an operator by its dotted name from the module `torch` on, which would reach the operating system too
(`torch.hub.os.system`). It imports and calls what the nesting of inputs names, evaluates sizes and guards, and writes
names of values into source code that it executes. Hence each text has to be of the kind that belongs in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from storage.model_files.program_expressions import is_guard, is_size

_DUNDERS = "__(?:and|or|xor|lshift|rshift|iand|ior|ixor|ilshift|irshift)__"
_OPERATORS = re.compile(
    rf"torch\.ops\.(?:aten|prims|quantized_decomposed)\.(?:_?[A-Za-z]\w*|{_DUNDERS})\.[A-Za-z]\w*"
    r"|torch\.ops\.higher_order\.(?:cond|map_impl|while_loop|scan|associative_scan|wrap_with_set_grad_enabled"
    r"|wrap_with_autocast|auto_functionalized|auto_functionalized_v2|flex_attention|out_dtype)"
    r"|_operator\.(?:add|sub|mul|floordiv|truediv|mod|neg|pos|pow|abs|lt|le|gt|ge|eq|ne|and_|or_|xor|not_|getitem)"
    r"|math\.(?:ceil|floor|trunc|sqrt|pow|log|exp|sin|cos|tan|tanh|sinh|cosh|asin|acos|atan)"
    r"|torch\.(?:sym_(?:int|float|max|min|not|ite|sum)|_sym_sqrt|_C\._set_grad_enabled)",
    re.ASCII,
)
_TOUCHES_FILES = re.compile(r"\.(?:from_file|save|load)\w*\.", re.ASCII)
_NAME = re.compile(r"(?:[A-Za-z_]\w*)?", re.ASCII)
_WORD = re.compile(r"[\w.@+:-]*", re.ASCII)
_NESTINGS = frozenset({"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"})
_REMARKS = frozenset(
    ["as_string", "as_strings", "stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node", "custom"]
)
"""Texts that are data or for people; none of them is evaluated."""


def require_harmless_document(content: bytes) -> None:
    """Return if nothing in a document of an exported program is run, imported or opened where it is loaded.

    Raises:
        ValueError: It is no JSON, or something would be; the message says which.
    """
    try:
        for name, value in _parts("", _parsed(content.decode())):
            _require_part(name, value)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


def _parts(name: str, document: object) -> Iterator[tuple[str, object]]:
    """Yield every value at whatever depth with the name that it has; the elements of a list have the list's."""
    waiting = [(name, document)]
    while waiting:
        name, found = waiting.pop()
        yield name, found
        if isinstance(found, dict):
            waiting.extend(found.items())
        elif isinstance(found, list):
            waiting.extend((name, element) for element in found)


def _require_part(name: str, value: object) -> None:
    match value:
        case str():
            kind, is_known = _TEXTS.get(name, ("text", _is_word))
            _require(kind, value, is_known)
        case dict():
            kind, is_known = ("size", is_size) if name == "range_constraints" else ("name", _is_word)
            for key in value:
                _require(kind, key, is_known)
        case bool() if name == "use_pickle" and value:
            raise ValueError("it has pickled weights")
        case _:
            pass


def _require(kind: str, text: str, is_known: Callable[[str], bool]) -> None:
    if not is_known(text):
        raise ValueError(f"the {kind} {text[:100]!r} is none that a program may have")


def _is_word(text: str) -> bool:
    return bool(_WORD.fullmatch(text))


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text))


def _is_remark(_text: str) -> bool:
    return True


def _is_operator(text: str) -> bool:
    return bool(_OPERATORS.fullmatch(text)) and not _TOUCHES_FILES.search(text)


def _is_nesting(text: str) -> bool:
    """Return whether a text says how tuples, lists and dictionaries lie within each other, and names nothing else."""
    parts = _parts("", _parsed(text))
    return all(_is_part_of_nesting(name, value) for name, value in parts)


def _is_part_of_nesting(name: str, value: object) -> bool:
    match name, value:
        case "type", str():
            return value in _NESTINGS
        case "context", str():
            keys = _parsed(value)
            return keys is None or (isinstance(keys, list) and all(isinstance(key, str | int) for key in keys))
        case "type" | "context", _:
            return value is None
        case _, dict():
            return value.keys() == {"type", "context", "children_spec"}
        case _:
            return isinstance(value, list | int)


_TEXTS: Mapping[str, tuple[str, Callable[[str], bool]]] = MappingProxyType(
    {
        "target": ("operator", _is_operator),
        "as_operator": ("operator", _is_operator),
        "expr_str": ("size", is_size),
        "guards_code": ("guard", is_guard),
        "in_spec": ("nesting", _is_nesting),
        "out_spec": ("nesting", _is_nesting),
        "name": ("name", _is_name),
        "as_name": ("name", _is_name),
        "forward_arg_names": ("name", _is_name),
        **dict.fromkeys(_REMARKS, ("remark", _is_remark)),
    }
)


def _parsed(text: str) -> object:
    return json.loads(text, object_pairs_hook=_without_repetition)


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object that has each name once: of two, another reader might take the other one."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("its JSON has a name twice")
    return document
