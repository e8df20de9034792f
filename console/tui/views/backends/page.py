"""The backends page: how each system is, what was seen of it, and what can be done there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends.contract import Capabilities, KindCapabilities, Readable, Support, Verb
from backends.model import GapKind
from console.contact import FAILED, SILENT, Contact
from console.inventory.search.inventory import BackendState
from console.journal import proof
from console.text import age
from console.tui.draw import readings
from console.tui.draw.lines import Line, Part, block, count, fit
from console.tui.session.own_view import NOTHING, OTHERS, Mine
from console.tui.views.health import health

SKEW_MATTERS = 2_000
"""Milliseconds by which a system's clock may differ before it is said."""


GAPS = {
    GapKind.REFUSED: "refused",
    GapKind.UNLISTABLE: "cannot be listed",
    GapKind.FAILED: "failed",
    GapKind.LIMITED: "stopped by our limit",
}


HEADS = (("BACKEND", 14), ("TYPE", 8), ("HEALTH", 10), ("DATA", 5), ("TOKENS", 8), ("DELAY", 7),
         ("MODE", 9), ("VERSION", 0))  # fmt: skip
TAKEN = 3 + sum(size + 1 for _, size in HEADS) - 1
"""The cells before the version, which has the rest."""


def heads(width: int) -> Line:
    """The titles above the list of backends."""
    text = " " * 3
    for title, size in HEADS:
        right = title in ("DATA", "TOKENS", "DELAY")
        text += fit(title, size or max(width - TAKEN, 7), right=right) + " "
    return [(text, "head")]


def row(
    state: BackendState,
    now: float,
    width: int,
    *,
    act: bool,
    production: bool,
    mine: Mine = NOTHING,
) -> Line:
    """One backend in the list."""
    seen = health(state, now, mine)
    word = seen.word
    if not mine.contact.waited(now):
        word = _under_way(mine, now) or word
    contact = mine.contact
    data = "never" if state.synced_at is None else readings.ago(state.synced_at, now)
    # How fast it was before says nothing of a system that does not answer.
    latency = "-"
    if contact.latency_ms is not None and not contact.waiting_since:
        latency = f"{contact.latency_ms} ms"
    mode = _mode(contact, act)
    return [
        (f" {seen.glyph} ", seen.role),
        (fit(state.name, 14) + " ", "bold" if production else ""),
        (fit(state.type, 8) + " ", "dim"),
        (fit(word, 10) + " ", seen.role),
        (fit(data, 5, right=True) + " ", ""),
        (fit(_tokens(state), 8, right=True) + " ", ""),
        (fit(latency, 7, right=True) + " ", ""),
        (fit(mode, 9) + " ", "warn" if mode == "can act" else "dim"),
        (fit(contact.version or "-", max(width - TAKEN, 7)), "dim"),
    ]


def _mode(contact: Contact, act: bool) -> str:
    if not act:
        return "read-only"
    if contact.can_act is None:
        return "not known"
    return "can act" if contact.can_act else "read-only"


def _under_way(mine: Mine, now: float) -> str:
    """How far a look of ours is, in a word; empty where none goes on."""
    done = mine.news.get("done") if mine.news is not None else None
    if done and mine.reads:
        return f"{done:,} read"
    took = mine.looking(now)
    return f"look {age(took)}" if took else ""


def detail(
    state: BackendState,
    now: float,
    width: int,
    *,
    act: bool,
    production: bool,
    mine: Mine = NOTHING,
    escrow: Line = (),
) -> list[Line]:
    """Everything about one backend. ``escrow`` says whether new values could be sealed."""
    seen, contact = health(state, now, mine), mine.contact
    lines: list[Line] = []
    title = f" {state.name}" + (" (production)" if production else "")
    lines.append([(title, "bold"), (f" · {state.type} · {seen.word}", seen.role)])
    error, hint = mine.trouble(state)
    if error:
        whose: list[Part] = [(f" ({OTHERS})", "dim")] if mine.of_others else []
        lines += block("ERROR", [(error, "bad"), *whose], width)
    if hint:
        lines += block("DO NEXT", [(hint, "")], width)
    lines += block("ANSWERS", _answers(contact, now), width)
    lines += block("DATA", _data(state, now), width)
    if look := _look(state, mine, now):
        lines += block("LOOK", look, width)
    lines += block("SEEN", _seen(state), width)
    for gap in state.gaps:
        hint = f" {gap.hint}" if gap.hint else ""
        word = GAPS[gap.kind]
        where = f", {gap.scope}" if gap.scope not in ("", gap.what) else ""
        text: list[Part] = [(f"{word}: {gap.what}{where}.", "warn"), (hint, "")]
        lines += block("", text, width)
    for note in contact.notes:
        lines += block("", [(note, "dim")], width)
    if contact.skew_ms is not None and abs(contact.skew_ms) >= SKEW_MATTERS:
        ahead = "ahead of" if contact.skew_ms > 0 else "behind"
        skew = f"its clock is {abs(contact.skew_ms) / 1000:.0f} s {ahead} ours: ages may be off"
        lines += block("CLOCK", [(skew, "warn")], width)
    lines += block("WE ARE", _whoami(contact, act), width)
    if escrow:
        lines += block("ESCROW", escrow, width)
    lines.append(())
    return lines + _matrix(state.capabilities, width)


def _answers(contact: Contact, now: float) -> list[Part]:
    """When it last answered this console, and how long it has not."""
    waited = contact.waited(now)
    if contact.state == SILENT:
        said: Part = (f"no answer for {age(waited)}", "bad")
    elif waited:
        said = (f"asked {age(waited)} ago, no answer yet", "warn")
    elif not contact.state and contact.answered_at:
        said = (f"not asked now; answered {readings.ago(contact.answered_at, now)} ago", "dim")
    elif not contact.state:
        return [("not asked yet by this console", "dim")]
    elif contact.state == FAILED and not contact.answered_at:
        return [("no answer yet to this console", "bad")]
    else:
        ms = "" if contact.latency_ms is None else f" in {contact.latency_ms} ms"
        said = (f"answered{ms} {readings.ago(contact.answered_at, now)} ago", "")
    parts = [said]
    if waited and contact.answered_at:
        parts.append((f"; it last answered {readings.ago(contact.answered_at, now)} ago", ""))
    return parts


def _look(state: BackendState, mine: Mine, now: float) -> list[Part]:
    """The look that goes on, ours or another process's; empty where none does."""
    if mine.news is not None and mine.reads:
        done = int(mine.news.get("done") or 0)
        took = age(max(now - float(mine.news.get("began") or now), 0))
        parts: list[Part] = [(f"under way for {took}, {count(done, 'token')} read so far", "")]
        if mine.log is not None:
            events, back_to = mine.log
            whole = "" if back_to is None else f", all of the last {readings.ago(back_to, now)}"
            said = f"; its log: {count(events, 'event')} read{whole}, older ones are not read yet"
            parts.append((said, "warn"))
        return parts
    if state.running and state.tried_at is not None:
        return [(f"another process has been reading it for {age(now - state.tried_at)}", "")]
    return []


def _data(state: BackendState, now: float) -> list[Part]:
    if state.synced_at is None:
        parts: list[Part] = [("never read to the end", "warn")]
    else:
        ago = readings.ago(state.synced_at, now)
        parts = [(f"read to the end {ago} ago ({readings.moment(state.synced_at)})", "")]
    if state.tried_at is not None and state.tried_at != state.synced_at:
        parts.append((f", last tried {readings.ago(state.tried_at, now)} ago", ""))
    if state.events_until is not None:
        parts.append((f", audit events up to {readings.ago(state.events_until, now)} ago", "dim"))
    return parts


def _tokens(state: BackendState) -> str:
    """How many tokens are known; that there are none is known only after a whole look."""
    return "-" if state.synced_at is None and not state.tokens else f"{state.tokens:,}"


def _seen(state: BackendState) -> list[Part]:
    gaps: Sequence[Any] = state.gaps
    if state.synced_at is None and not (gaps or state.tokens):
        return [("not known: it was never read to the end", "warn")]
    if not gaps and state.result in ("ok", "running"):
        return [(f"{count(state.tokens, 'token')}; nothing was refused", "")]
    words: dict[str, int] = {}
    for gap in gaps:
        words[GAPS[gap.kind]] = words.get(GAPS[gap.kind], 0) + 1
    said = ", ".join(f"{number} {kind}" for kind, number in sorted(words.items()))
    return [(count(state.tokens, "token"), ""), (f"; not seen: {said}" if said else "", "warn")]


def _whoami(contact: Contact, act: bool) -> list[Part]:
    parts: list[Part] = [(contact.name or "not known yet", "" if contact.name else "dim")]
    if not act:
        parts.append((", read-only: started without --act", "dim"))
    elif contact.can_act is None:
        parts.append((", and whether we may act is not known yet; a plan asks", "dim"))
    elif not contact.can_act:
        parts.append((", read-only: no credential to act with", "dim"))
    else:
        parts.append((", can act", "warn"))
    return parts


WORDS = {
    Support.FULL: ("yes", ""),
    Support.PARTIAL: ("partly", "warn"),
    Support.MANUAL: ("by hand", "warn"),
    Support.NONE: ("no", "dim"),
    Support.UNKNOWN: ("?", "dim"),
}
READS = (Readable.OWNER, Readable.CREATED, Readable.CREATOR, Readable.LAST_USED, Readable.GRANTS,
         Readable.EXPIRY, Readable.DEPENDENTS, Readable.EVENTS)  # fmt: skip
SHORT = {
    Readable.OWNER: "owner", Readable.CREATED: "created", Readable.CREATOR: "creator",
    Readable.LAST_USED: "used", Readable.GRANTS: "grants", Readable.EXPIRY: "expiry",
    Readable.DEPENDENTS: "depends", Readable.EVENTS: "events", Readable.PERMISSIONS: "rights",
}  # fmt: skip


def _matrix(capabilities: Capabilities | None, width: int) -> list[Line]:
    if capabilities is None:
        return [[(" What it can do is not known before the first answer.", "dim")]]
    named = 17 if width < 100 else 28
    # Eight columns fill the narrowest screen; the command line has all of them.
    reads = READS if width < 100 else (*READS, Readable.PERMISSIONS)
    lines: list[Line] = [
        [(" " + fit("CAN READ", named) + "".join(fit(SHORT[what], 8) for what in reads), "head")]
    ]
    for kind in capabilities.kinds:
        lines.append(_cells(kind, named, [kind.can_read(what) for what in reads]))
    verbs = list(Verb)
    titles = "".join(fit(verb.value, 11) for verb in verbs)
    lines += [(), [(" " + fit("CAN DO", named) + titles, "head")]]
    for kind in capabilities.kinds:
        lines.append(_cells(kind, named, [kind.ability(verb).support for verb in verbs], 11))
    lines.append(())
    for kind in capabilities.kinds:
        lag = "not known" if kind.propagation is None else readings.span_of(kind.propagation)
        text = (
            f"{kind.title}: rotation {kind.rotation.value}; the old value may live on for {lag}; "
            f"proof goes as far as: {proof.reach(kind.ceiling)}. {' '.join(kind.notes)}"
        )
        lines += block("", [(text, "dim")], width, 0)
    for what in capabilities.unlistable:
        lines += block("", [(f"Nobody can list: {what}", "warn")], width, 0)
    return lines


def _cells(
    kind: KindCapabilities, named: int, supports: Sequence[Support], size: int = 8
) -> list[Part]:
    parts: list[Part] = [(" " + fit(kind.title, named - 1) + " ", "")]
    for support in supports:
        word, role = WORDS[support]
        parts.append((fit(word, size), role))  # type: ignore[arg-type]
    return parts
