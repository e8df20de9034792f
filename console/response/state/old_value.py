"""What is known *now* of the old value of a token under response: one headline for everybody.

The run, its tokens, the token's page, the reports, the lists and their JSON all say what is
said here. A call that was answered with yes is no word about the value: only a try, the
issuer's own record and its log are, and until the declared propagation is over even these
may be taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from backends.contract import Phase, Verb
from backends.model import EvidenceLevel
from console.response.plan.model import Plan
from console.response.plan.not_done import UNDONE
from console.response.state.token import ENDING, RunToken, alive
from console.text import age, safe

_RECORDED = {
    Verb.REVOKE: "RECORDED REVOKED",
    Verb.CONTAIN: "RECORDED CONTAINED",
    Verb.ROTATE: "RECORDED ENDED",
    Verb.RESTORE: "RECORDED RESTORED",
    Verb.DISCONNECT: "NO OPEN SESSIONS",
}


class What(StrEnum):
    """What is known of an old value, the worst first."""

    WORKS = "still works"
    UNDONE = "not done"
    UNKNOWN = "not known"
    RECORDED = "recorded, not tried"
    REFUSED = "refused"


class Verdict(NamedTuple):
    """The headline of one token.

    ``title`` is a few words in capitals that are never cut; ``why`` begins with the reason
    and is raw text. ``at`` is when it was known, in unix seconds (0: not told); ``until``
    when the declared propagation is over, 0 where it is or nothing is declared.
    """

    what: What
    title: str
    why: str = ""
    at: float = 0.0
    until: float = 0.0

    @property
    def short(self) -> str:
        """The headline in at most sixteen characters, for a column."""
        if self.what is What.REFUSED:
            return "REFUSED"
        return self.title.removeprefix("OLD VALUE ").rpartition(", ")[2]

    @property
    def line(self) -> str:
        """The headline on one line, safe to show, to be wrapped and never cut."""
        return safe(f"{self.title}: {self.why}" if self.why else self.title, 1000)

    @property
    def labelled(self) -> str:
        """The same beside a label that says OLD VALUE already."""
        return self.line.removeprefix("OLD VALUE ")

    def told(self) -> dict[str, object]:
        """The headline for a script."""
        return {
            "what": self.what.value,
            "headline": self.title,
            "why": self.why,
            "at": int(self.at) or None,
            "propagation_until": int(self.until) or None,
        }


def of(row: RunToken, now: float) -> Verdict:
    """The headline of a token under response. ``now`` is in unix seconds."""
    verb = row.item.verb
    if verb not in ENDING:
        return _other(row)
    until = row.over if row.window and now < row.over else 0.0
    wait = pending_words(row, now)
    if row.alarm:
        return Verdict(What.WORKS, "OLD VALUE STILL WORKS", row.alarm)
    if row.accepted:
        at = row.tried_at
        when = f"it was accepted when it was tried at {clock(at, now)}" if at else "it was accepted"
        return Verdict(What.WORKS, "OLD VALUE STILL WORKS", _all(when, wait), at, until)
    if row.refused:
        silent = "then silent in the log" if row.level >= EvidenceLevel.SILENT else ""
        title = f"REFUSED at {clock(row.refused_at, now)}"
        return Verdict(
            What.REFUSED, title, _all(alive(row.living), silent, wait), row.refused_at, until
        )
    if row.level >= EvidenceLevel.RECORDED and not _owed(row):
        return _recorded(row, wait, until)
    return _open(row, wait, until)


def _recorded(row: RunToken, wait: str, until: float) -> Verdict:
    title = _RECORDED[row.item.verb]
    told = ["no use in the log since"] if row.level >= EvidenceLevel.SILENT else []
    if row.item.verb is Verb.ROTATE and row.by_probe:
        title = "RECORDED REPLACED"
        told.append("the new value is accepted in its place")
    tried = "TRIED, NO CLEAR ANSWER" if row.tried == "unclear" else "NOT TRIED"
    told += [] if row.item.propagation is not None else ["how long it may work on is not declared"]
    why = _all(alive(row.living), wait, *told)
    return Verdict(What.RECORDED, f"{title}, {tried}", why, row.recorded_at, until)


def _open(row: RunToken, wait: str, until: float) -> Verdict:
    """Nothing is recorded of the old value's end."""
    item, verb = row.item, row.item.verb
    let_be = f"excepted, for {row.owner}" if row.owner else ""
    if item.fatal:
        return Verdict(What.UNDONE, UNDONE[verb], _all(let_be, item.fatal[0].text))
    if row.open or row.by_word:
        return Verdict(What.UNKNOWN, "NOT KNOWN", _all(_said(row, row.words), let_be), until=until)
    if verb is Verb.ROTATE and row.old:
        why = _all(f"it was replaced, and {row.old}", let_be)
        return Verdict(What.WORKS, "OLD VALUE STILL WORKS", why)
    if verb is Verb.ROTATE and row.acted and _owed(row):
        # A new value was made. Where ending the old one is a call of its own, it lives.
        why = _all(_said(row, row.waits or row.trouble or row.words), let_be)
        if any(step.phase is Phase.RETIRE for step in item.proposal.steps):
            return Verdict(What.WORKS, "OLD VALUE STILL WORKS", why)
        return Verdict(What.UNKNOWN, "NOT KNOWN", why)
    if row.acted and not _owed(row):
        told = "the system said yes, and its record does not say so"
        return Verdict(What.UNKNOWN, "NOT KNOWN", _all(told, wait, let_be), until=until)
    return Verdict(
        What.UNDONE, UNDONE[verb], _all(let_be, "" if row.owner else _said(row, row.words))
    )


def _other(row: RunToken) -> Verdict:
    """For what is given back, and for sessions: there is no old value."""
    verb, let_be = row.item.verb, f"excepted, for {row.owner}" if row.owner else ""
    if row.item.fatal:
        return Verdict(What.UNDONE, UNDONE[verb], _all(let_be, row.item.fatal[0].text))
    if row.level >= EvidenceLevel.RECORDED and not _owed(row):
        return Verdict(What.RECORDED, _RECORDED[verb], "", row.recorded_at)
    if row.open or row.acted:
        return Verdict(What.UNKNOWN, "NOT KNOWN", _all(_said(row, row.words), let_be))
    return Verdict(
        What.UNDONE, UNDONE[verb], _all(let_be, "" if row.owner else _said(row, row.words))
    )


def _said(row: RunToken, words: str) -> str:
    """The journal's words without the token's own name in front: the reason comes first."""
    return words.partition(f" in {row.item.backend}: ")[2] or words


def _owed(row: RunToken) -> bool:
    """Whether a planned call is still to be made."""
    return not row.called


def _all(*told: str) -> str:
    return "; ".join(each for each in told if each)


def pending_words(row: RunToken, now: float) -> str:
    """``propagation not over until 14:03:10 (70 s declared)``; empty where it is over."""
    if not row.window or now >= row.over:
        return ""
    return f"propagation not over until {_clock_s(row.over, now)} ({span(row.window)} declared)"


def waiting(rows: Iterable[RunToken], now: float) -> str:
    """Why a run is not over by time alone: some of its values may still work, as declared."""
    late = [row for row in rows if row.pending(now)]
    if not late:
        return ""
    last = max(late, key=lambda row: row.over)
    some = "1 value may" if len(late) == 1 else f"{len(late):,} values may"
    return f"{pending_words(last, now)}: {some} still work"


def counts(rows: Iterable[RunToken], now: float) -> dict[What, int]:
    """How many tokens have which verdict, the worst first."""
    found = Counter(of(row, now).what for row in rows)
    return {what: found[what] for what in What if found[what]}


def worst(rows: Iterable[RunToken], now: float) -> str:
    """The worst that is known of a run's old values, for a narrow column."""
    rows = list(rows)
    if len(rows) == 1:
        return of(rows[0], now).short
    words = {
        What.WORKS: "work",
        What.UNDONE: "not done",
        What.UNKNOWN: "not known",
        What.RECORDED: "not tried",
        What.REFUSED: "refused",
    }
    return next((f"{n:,} {words[what]}" for what, n in counts(rows, now).items()), "")


def summary(plan: Plan, rows: Iterable[RunToken], now: float) -> str:
    """A run's old values in the fewest words: one token's own headline, else the counts."""
    rows = list(rows)
    if len(rows) == 1:
        return of(rows[0], now).title
    words = {**{what: what.value for what in What}, What.UNDONE: UNDONE[plan.verb].lower()}
    return ", ".join(f"{count:,} {words[what]}" for what, count in counts(rows, now).items())


def clock(at: float, now: float) -> str:
    """A time in UTC: of today without the date, and to the minute."""
    moment, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC)
    same = moment.date() == today.date()
    return f"{moment:%H:%M}" if same else f"{moment:%Y-%m-%d %H:%M}"


def _clock_s(at: float, now: float) -> str:
    """The same to the second, never earlier than it is."""
    moment = datetime.fromtimestamp(int(at) + (at > int(at)), UTC)
    same = moment.date() == datetime.fromtimestamp(now, UTC).date()
    return f"{moment:%H:%M:%S}" if same else f"{moment:%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """A declared time as it was declared: 70 s, 12m, 3h."""
    return f"{seconds:.0f} s" if seconds < 600 else age(seconds)
