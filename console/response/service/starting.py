"""Start the process that carries out an approved plan, or that goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from backends.model import Secret
from console.journal import opening
from console.response.approve import approval, second_person
from console.response.approve.requirements import Requirements
from console.response.approve.signing import Responder
from console.response.plan.model import Plan
from console.response.run import process
from console.settings import Paths


class Launch(NamedTuple):
    """What a runner is given besides its plan. Neither is ever in a file."""

    secrets: Mapping[str, Secret] = {}
    """Old values in hand, by their tokens' handles."""
    show: int | None = None
    """The descriptor of a terminal on which new values are shown once."""


def start(plan: Plan, paths: Paths, responder: Responder, launch: Launch | None = None) -> None:
    """Start a run, or go on with one whose runner is gone. The run outlives this process.

    The responder signs for the session in which it acts; that may wait for a touch.

    Raises:
        PlanRefused: the plan was not approved, or too long ago, or its file is another; a
            second person is needed and none has approved; a signature is required and is
            not to be had; a runner is at work on it; or no process can be started.
        JournalError: the journal cannot take the session.
    """
    with opening.journal(paths) as journal:
        rules = Requirements.now(paths)
        plan = approval.approved(plan.id, journal, paths)
        second_person.check(plan, journal, rules)
        responder.session(journal, rules, plan.reason, plan.incident)
    begin(plan, paths, responder, launch or Launch())


def begin(plan: Plan, paths: Paths, responder: Responder, launch: Launch) -> None:
    """Start the runner of a plan that this process has approved a moment ago.

    Its own checks are still made: the runner takes nobody's word. Raises ``PlanRefused``
    where a runner is at work on it, or no process can be started.
    """
    process.start(plan.id, paths, responder.current, launch.secrets, show=launch.show)
