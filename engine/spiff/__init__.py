"""The one door to SpiffWorkflow 3.2.0: its task tree and base specs, none of its parsing, scripting or serialising.

Above this folder there are only the typed `CompiledProcess` and `ProcessTree`.
"""

from engine.spiff.compiler import CompiledProcess, compile_process
from engine.spiff.tree import JournalEntry, ProcessTree, WaitingTask

__all__ = ["CompiledProcess", "JournalEntry", "ProcessTree", "WaitingTask", "compile_process"]
