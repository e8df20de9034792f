"""Plans on the disk: one file each, durable, private to its user, and never replaced."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from backends.model import decode, encode
from console.errors import PlanRefused
from console.journal.format.entry import ID
from console.response.plan.model import Plan
from console.settings import Paths


def file_of(plan_id: str, paths: Paths) -> Path:
    """Where a plan is kept. Raises ``PlanRefused`` for what is no plan's id."""
    if not ID.fullmatch(plan_id):
        raise PlanRefused(
            "that is not the id of a plan", "Approved plans: token-console journal list."
        )
    return paths.plans / f"{plan_id}.json"


def save(plan: Plan, paths: Paths) -> Path:
    """Write the plan's file. The same plan may be saved twice.

    Raises:
        PlanRefused: there is another plan with this id, or the disk refuses.
    """
    path = file_of(plan.id, paths)
    content = encode(plan)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        paths.make()
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        try:
            # A link never replaces a file, which a rename would.
            os.link(draft, path)
        except FileExistsError:
            if path.read_bytes() != content:
                raise PlanRefused("another plan is kept under this id", "Plan again.") from None
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise PlanRefused(
            f"cannot keep the plan in {path.parent}: {error.strerror}",
            "Nothing was sent. Free space there, or mend its permissions.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return path


def load(plan_id: str, paths: Paths) -> Plan:
    """The plan in the file. Whether it was approved is ``approval.approved``'s to say.

    Raises:
        PlanRefused: there is no such file, or it holds no plan.
    """
    return parse(content(plan_id, paths))


def content(plan_id: str, paths: Paths) -> bytes:
    """The bytes of the plan's file. Raises ``PlanRefused``."""
    try:
        return file_of(plan_id, paths).read_bytes()
    except OSError as error:
        raise PlanRefused(
            f"cannot read the plan {plan_id}: {error.strerror}", "Plan and approve again."
        ) from None


def parse(data: bytes) -> Plan:
    """The plan in these bytes. Raises ``PlanRefused``."""
    try:
        return decode(data, Plan)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise PlanRefused("the plan's file is damaged", "Plan and approve again.") from None
