"""The lines that every view has: on top who and where, at the bottom how old, and the keys."""

from __future__ import annotations

from console.text import safe
from console.tui.actions.context import Context
from console.tui.actions.registry import Action, footer, key_names
from console.tui.draw import readings
from console.tui.draw.lines import Line, Part, clip, count, spread, width_of
from console.tui.session import journal_state
from console.tui.session.own_view import Mine
from console.tui.session.session import ConsoleSession
from console.tui.session.worker_link import sentences
from console.tui.views.health import health, is_read

WIDE_TOP = 100
"""Columns from which the top line counts the backends as well."""

WIDE_LOGS = 120
"""Columns from which it is told how far back the logs that are being read were read."""

LEAST_NAME = 8
"""Cells that the program's name keeps, so that what is beside it stands apart."""

SHORTEST_TROUBLE = 34
"""Cells that a backend's trouble keeps, however many others there are."""


def top(world: ConsoleSession, width: int) -> Line:
    """Program, host, how much is seen, the mode and the journal's state."""
    left: list[Part] = [(" token-console", "bold")]
    if world.demo:
        left.append((" DEMO", "warn"))
    if world.incident:
        left.append((f" {safe(world.incident, 24)}", "bad"))
    # An id that is cut is another incident's.
    least = width_of(left) + 1 if world.incident else LEAST_NAME
    left.append((f" · {world.host}", "dim"))
    seen = f"{count(len(world.backends), 'backend')} · {count(world.total, 'token')}"
    if width < WIDE_TOP:
        # The backends have a line of their own; the journal's state has only this one.
        seen = count(world.total, "token")
    journal = journal_state.short(world.standing, world.now(), width)
    mode: Part = ("ACT", "bad") if world.act else ("ro", "dim")
    right: list[Part] = [(seen, ""), ("   ", ""), mode, (" · ", "dim"), *journal, (" ", "")]
    # Whether something can be done from here is said on any screen, however narrow.
    for less in (right, right[2:], [mode, (" ", "")]):
        if width_of(less) <= width - least:
            return spread(left, less, width)
    return clip([mode], width)


def data(world: ConsoleSession, width: int) -> Line:
    """How old each backend's data is; what is in trouble goes first and says what to do."""
    now = world.now()
    if world.store_trouble:
        return clip([(f" the store cannot be read: {world.store_trouble}", "bad")], width)
    if not world.backends:
        return [(" no backend has been read yet", "dim")]
    troubled: list[list[Part]] = []
    if world.worker_trouble:
        troubled.append([(f"nothing is read now: {world.worker_trouble}", "bad")])
    well: list[list[Part]] = []
    for state in sorted(world.backends, key=lambda state: state.name not in world.production):
        mine = world.mine(state.name)
        seen = health(state, now, mine)
        name = state.name + (" PROD" if state.name in world.production else "")
        age = "" if state.synced_at is None else " " + readings.ago(state.synced_at, now)
        if seen.role == "bad":
            error, hint = mine.trouble(state)
            why = f": {sentences(error, hint)}" if error else ""
            troubled.append([(f"{name} {seen.word}{age}{why}", "bad")])
        elif mine.contact.waited(now):
            well.append([(f"{name}{age} {seen.word}", "warn")])
        elif seen.word == "partial":
            well.append([(f"{name}{age} partial", "warn")])
        elif state.synced_at is None:
            # Never read yet; that it is being read is said only where somebody reads.
            reads = "reading" if is_read(state, mine) else "not read"
            well.append([(f"{name} {reads}{_of_tokens(mine)}", "dim")])
        else:
            well.append([(f"{name}{age}", "dim")])
    if logs := _logs(world, now, width):
        # What is not there yet is said before how old the rest is.
        well.insert(0, [(logs, "warn")])
    # A long error must not push the other systems, and above all production, out of sight.
    room = max(width - sum(width_of(part) + 2 for part in well) - 2, SHORTEST_TROUBLE)
    each = max(room // max(len(troubled), 1) - 2, SHORTEST_TROUBLE)
    return _joined([*(clip(part, each) for part in troubled), *well], width)


def _of_tokens(mine: Mine) -> str:
    """How many tokens a look of ours has read, and of how many where that is known."""
    done = mine.news.get("done") if mine.news is not None and mine.reads else None
    if not done:
        return ""
    total = mine.news.get("total") if mine.news is not None else None
    return f" {done:,}" + (f" of {total:,}" if total else "")


def _logs(world: ConsoleSession, now: float, width: int) -> str:
    """What was read so far of logs that are being read as far back as they never were."""
    read = [log for state in world.backends if (log := world.mine(state.name).log) is not None]
    if not read:
        return ""
    events = sum(events for events, _ in read)
    if width < WIDE_LOGS:
        return f"reading logs: {events:,}"
    since = [back_to for _, back_to in read]
    whole = (
        "" if None in since else f", all of the last {readings.ago(max(filter(None, since)), now)}"
    )
    return f"reading logs: {count(events, 'event')}{whole}; older ones follow"


def _joined(parts: list[list[Part]], width: int) -> Line:
    """As many as fit, and how many more there are."""
    line: list[Part] = [(" ", "")]
    for number, part in enumerate(parts):
        rest = len(parts) - number - 1
        # A failure that does not fit is counted: "+3 more" alone would read as well.
        bad = sum(any(role == "bad" for _, role in each) for each in parts[number:])
        others = sum(any(role == "bad" for _, role in each) for each in parts[number + 1 :])
        room = width - width_of(line) - (25 if others else 10 if rest else 1)
        if width_of(part) > room and number:
            line.append((f"+{rest + 1} more", "dim"))
            line += [(f", {bad} in trouble", "bad")] if bad else []
            break
        line += clip(part, room)
        line.append(("  ", ""))
    return clip(line, width)


def note_of_worker(world: ConsoleSession, trouble: str) -> str:
    """What to say when the process that talks to the backends is not there."""
    if world.worker_up or not trouble:
        return ""
    return f"{trouble}. What is shown is from the store; it is started again by itself."


def keys(context: Context, width: int) -> Line:
    """The keys that work here, as many as fit; the way to help is always among them."""
    line: list[Part] = [(" ", "")]
    actions = footer(context)
    last = [action for action in actions if action.id == "help"]
    for action in [action for action in actions if action.id != "help"]:
        part = _key(action)
        if width_of(line) + width_of(part) + 8 > width:
            continue
        line += part
    for action in last:
        line += _key(action)
    return line


def _key(action: Action) -> list[Part]:
    return [(key_names(action)[0], "key"), (f" {action.label}  ", "dim")]
