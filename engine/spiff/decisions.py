"""Business rule tasks: a decision is asked within the step (BPMN 2.0.2, 10.3.3.1)."""

from __future__ import annotations

from engine.bpmn import BusinessRuleTask
from engine.dmn import DecisionResult, DeployedDecision
from engine.errors import DecisionEvaluationError, ExpressionEvaluationError
from engine.spiff.boundary import ActivitySpec
from engine.spiff.elements import evaluate_mappings
from engine.spiff.scopes import Scope
from engine.spiff.workflow import InstanceTask, InstanceWorkflow, MadeDecision


class DecisionTaskSpec(ActivitySpec):
    """Asks its decision and goes on; where that fails, its token waits for somebody to look at it, or for an event.

    Attributes:
        decision: The version that is asked.
    """

    waits_outside = True
    node: BusinessRuleTask

    def __init__(self, wf_spec: object, name: str, node: BusinessRuleTask, decision: DeployedDecision) -> None:
        super().__init__(wf_spec, name, node)
        self.decision = decision

    def _run_hook(self, my_task: InstanceTask) -> bool:
        try:
            self._decide(my_task)
        except (DecisionEvaluationError, ExpressionEvaluationError):
            my_task.workflow.await_event(my_task)
            self.attach_boundary_events(my_task)
            return False
        return True

    def happen(self, my_task: InstanceTask, _variables: Scope) -> None:
        """Ask once more.

        Raises:
            DecisionEvaluationError, ExpressionEvaluationError: The values still do not fit.
        """
        self._decide(my_task)
        my_task.workflow.opened.pop(my_task.id, None)
        my_task.complete()

    def _decide(self, task: InstanceTask) -> None:
        """Write the decision's value, or the targets of the outputs, and put on the record how it came about."""
        workflow: InstanceWorkflow = task.workflow
        outer = workflow.visible(task)
        seen = {**outer, **evaluate_mappings(self.node.inputs, outer)}
        decided: DecisionResult = self.decision.evaluate(seen)
        result: Scope = {self.node.result_variable: decided.value}
        if self.node.outputs:
            result = evaluate_mappings(self.node.outputs, {**seen, **result})
        workflow.assign(task, result)
        workflow.thrown.decisions.append(MadeDecision(task.id, self.node, self.decision.ref, decided))
