"""Who may do a user task, decided without a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from engine.duties import barred, is_candidate, is_supervisor, refused_claim, refused_work
from engine.persistence import UserTaskRow, UserTaskStatus
from storage import SecurityContext
from storage.identifiers import new_id
from storage.models import RoleType


def _person(user_id: str, *groups: str, role: RoleType = RoleType.MEMBER) -> SecurityContext:
    return SecurityContext(user_id=user_id, tenant_id="north", roles=frozenset({role}), groups=frozenset(groups))


def _task(**changes: Any) -> UserTaskRow:
    row = UserTaskRow(
        user_task_id=new_id(),
        process_instance_id=new_id(),
        process_id="review",
        task_id=new_id(),
        element_id="Ask",
        name="Ask",
        lane=None,
        form_id=None,
        candidate_groups=("reviewer", "owner"),
        candidate_users=("carl",),
        excluded_principals=("ina",),
        excluded=("Check",),
        context={},
        tenant_id="north",
    )
    return row.model_copy(update=changes)


RITA = _person("rita", "reviewer", "other")
INA = _person("ina", "reviewer")
OTTO = _person("otto", "other")


@pytest.mark.parametrize(
    ("who", "assignee", "expected"),
    [
        (RITA, None, True),
        (_person("carl"), None, True),
        (OTTO, None, False),
        (OTTO, "otto", True),
        (OTTO, "rita", False),
        (_person("reviewer"), None, False),
        (_person("otto", "carl"), None, False),
    ],
)
def test_a_task_is_for_its_groups_its_names_and_its_assignee(
    who: SecurityContext, assignee: str | None, expected: object
) -> None:
    assert is_candidate(_task(assignee=assignee), who) is expected


@dataclass(frozen=True)
class Case:
    """Codes of the refusals to claim and to work on a task."""

    who: SecurityContext
    claim: str | None
    work: str | None
    performed: str | None = None
    assignee: str | None = None
    status: UserTaskStatus = UserTaskStatus.OPEN


CASES = {
    "a candidate": Case(RITA, None, None),
    "the claimant": Case(RITA, None, None, assignee="rita"),
    "a candidate of what another has": Case(
        RITA, "USER_TASK_ALREADY_CLAIMED", "USER_TASK_CLAIMED_BY_ANOTHER", assignee="rolf"
    ),
    "no candidate": Case(OTTO, "NOT_A_CANDIDATE", "NOT_A_CANDIDATE"),
    "no candidate of what another has": Case(OTTO, "NOT_A_CANDIDATE", "NOT_A_CANDIDATE", assignee="rolf"),
    "the initiator": Case(INA, "SEPARATION_OF_DUTIES", "SEPARATION_OF_DUTIES"),
    "the initiator who is assigned": Case(INA, "SEPARATION_OF_DUTIES", "SEPARATION_OF_DUTIES", assignee="ina"),
    "a performer": Case(RITA, "SEPARATION_OF_DUTIES", "SEPARATION_OF_DUTIES", performed="Check"),
    "a performer who is no candidate": Case(OTTO, "SEPARATION_OF_DUTIES", "SEPARATION_OF_DUTIES", performed="Check"),
    "the initiator of what is done": Case(
        INA, "USER_TASK_ALREADY_COMPLETED", "USER_TASK_ALREADY_COMPLETED", status=UserTaskStatus.COMPLETED
    ),
    "a candidate of what is withdrawn": Case(
        RITA, "USER_TASK_ALREADY_COMPLETED", "USER_TASK_ALREADY_COMPLETED", status=UserTaskStatus.CANCELLED
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_refusal_names_the_first_reason(case: Case) -> None:
    task = _task(assignee=case.assignee, status=case.status)

    claim, work = (rule(task, case.who, case.performed) for rule in (refused_claim, refused_work))

    assert (claim and claim.code, work and work.code) == (case.claim, case.work)


def test_an_excluded_person_hears_why() -> None:
    started, performed = barred(_task(), INA, None), barred(_task(), RITA, "Check")

    assert "ina started this process instance" in str(started)
    assert "rita completed Check" in str(performed)


def test_who_is_no_candidate_hears_for_whom_the_task_is() -> None:
    refusal = barred(_task(), OTTO, None)

    assert refusal is not None
    assert refusal.hint == "This is for a member of reviewer or a member of owner or carl."


@pytest.mark.parametrize(
    ("role", "expected"), [(RoleType.OWNER, True), (RoleType.ADMIN, True), (RoleType.MEMBER, False)]
)
def test_an_administrator_of_the_tenant_supervises(role: RoleType, expected: object) -> None:
    assert is_supervisor(_person("olga", role=role)) is expected
