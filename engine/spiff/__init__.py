"""The one door to SpiffWorkflow 3.2.0: its task tree and life cycle, none of its parsing, scripting or serialising.

Above this folder there are only the typed `CompiledProcess` and `ProcessTree`.
"""

from engine.spiff.changes import Compensation, JournalEntry, TaskRow, TreeChanges, TreeState, WaitingTask
from engine.spiff.compiler import CompiledProcess, compile_process
from engine.spiff.elements import Judge, holds
from engine.spiff.scopes import VariableRow
from engine.spiff.tree import ProcessTree, Token
from engine.spiff.workflow import MadeDecision, ThrownEscalation, ThrownMessage

__all__ = [
    "Compensation",
    "CompiledProcess",
    "JournalEntry",
    "Judge",
    "MadeDecision",
    "ProcessTree",
    "TaskRow",
    "ThrownEscalation",
    "ThrownMessage",
    "Token",
    "TreeChanges",
    "TreeState",
    "VariableRow",
    "WaitingTask",
    "compile_process",
    "holds",
]
