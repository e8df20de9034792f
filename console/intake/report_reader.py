"""What is found while something is read, and whatever could not be: nothing is left out unsaid."""

from __future__ import annotations

from console.intake.items import FoundAt, Intake, Item, merged, of_value

MOST_VALUE = 64 * 1024
"""Characters of one value; a longer one is no credential."""
MOST_PROBLEMS = 20
"""Troubles that are told one by one."""


class ReportReader:
    """One report as it is read: what was found, and what could not be."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._problems: list[str] = []
        self._more = 0

    def problem(self, text: str) -> None:
        """Something was left out."""
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(text)
        else:
            self._more += 1

    def value(self, value: object, place: FoundAt, what: str) -> None:
        """A value of a report; what is none is said."""
        text = value.strip() if isinstance(value, str) else ""
        if not text:
            self.problem(f"{what} has no value (redacted?)")
        elif len(text) > MOST_VALUE:
            self.problem(f"{what} has a value of {len(text):,} characters, which is no credential")
        else:
            self.items.append(of_value(text, place))

    def end(self, format_: str) -> Intake:
        """All of it, each value once."""
        rest = (f"and {self._more:,} more that could not be read",) if self._more else ()
        return Intake(format_, merged(self.items), (*self._problems, *rest))
