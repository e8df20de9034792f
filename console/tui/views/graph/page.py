"""Words around a graph: what is in the middle, what a leak reaches, and why it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console.graph.graph import Graph
from console.graph.model import Evidence, Node, many
from console.graph.owners import Loss
from console.graph.view import GraphRow
from console.graph.xray import Branch
from console.tui.draw import readings
from console.tui.draw.lines import Line, Part, block, clip, count, middle, short, spread
from console.tui.views.graph.chart import glyph, role_of
from console.tui.views.graph.scene import NOUNS, Picture

NAME = 40


def name(node: Node, width: int = NAME) -> str:
    """A node's name, safe and short."""
    return short(node.name or node.key, width)


def banner(picture: Picture | None, width: int) -> Line:
    """The line over the columns."""
    if picture is None:
        return [(" reading the graph …", "dim")]
    if picture.leak is not None:
        leaked = picture.leaked()
        told = ", ".join(
            f"{leaked[side].k:,} of {leaked[side].n:,} {NOUNS[side][1]}"
            for side in ("grant", "use", "token")
        )
        node = picture.leak.node
        who = middle(node.name or node.key, max(width - len(told) - 14, 12))
        return clip([(f" ! LEAK of {who}: {told}", "bad")], width)
    if picture.start is None:
        nodes, links = len(picture.graph), len(picture.graph.kinds)
        left: list[Part] = [(" GRAPH", "bold")]
        left.append((f" of everything: {count(nodes, 'node')}, {count(links, 'link')}", "dim"))
        return clip(left, width)
    node = picture.graph.nodes[picture.start]
    place = f" · {short(node.place, 20)}" if node.place else ""
    state: list[Part] = []
    if node.state and node.state != "active":
        state = [(f"{node.state} ", "bad")]
    return spread(
        [(f" GRAPH of {name(node)}", "bold"), (f" · {short(node.kind, 20)}{place}", "dim")],
        state,
        width,
    )


def what_of(row: GraphRow, width: int) -> list[Part]:
    """What a row is called."""
    return [(f" {middle(row.label, max(width // 3, 12))}", "bold")]


def details(picture: Picture | None, now: float, width: int) -> tuple[Line, Line]:
    """What is under the cursor, and why it is there."""
    if picture is None or (item := picture.item) is None:
        return (), ()
    graph, row = picture.graph, item.row
    what = what_of(row, width)
    if row.members[0] in graph.rest:
        return clip([*what, (" · counted only; enter shows more of them", "dim")], width), ()
    if row.folded:
        what.append(
            (f" · {item.share} {'reached' if picture.reach else 'near'}, enter unfolds", "dim")
        )
    else:
        node = graph.nodes[row.members[0]]
        place = f" · {short(node.place, 20)}" if node.place else ""
        state = f" · {node.state}" if node.state and node.state != "active" else ""
        if row.members[0] != picture.start:
            what += [(f" · {short(node.kind, 20)}{place}", "dim"), (state, "bad")]
    up, down = picture.near
    words = "; ".join(filter(None, (up and f"{up} above", down and f"below {down}")))
    what.append((f" · {words or 'nothing is linked to it'}", ""))
    return clip(what, width), clip([(" ", ""), *_why(picture, now)], width)


def _why(picture: Picture, now: float) -> list[Part]:
    item = picture.item
    if picture.reach is not None and item is not None:
        if not picture.proof:
            start = item.row.members[0] in picture.reach.start
            return [("this is what leaked" if start else "the leak does not get here", "dim")]
        steps = " > ".join(f"{kind} {name(node, 28)}" for kind, node in picture.steps[1:])
        some = f"{item.share} reached, one by " if item.share else "reached: "
        because = _because(picture, now)
        return [(some, "bad"), (steps, "bold"), (f" ({because})" if because else "", "dim")]
    if picture.evidence and picture.start is not None:
        return [(f"{picture.evidence[0].kind}: ", ""), (_because(picture, now), "dim")]
    if picture.num is not None and picture.num != picture.start:
        return [("no link of its own to the middle", "dim")] if picture.start is not None else []
    if not picture.unknown:
        return []
    more = len(picture.unknown) - 1
    told = f"not known{f' ({more} more)' if more else ''}: {picture.unknown[0]}"
    return [(told, "warn")]


def _because(picture: Picture, now: float) -> str:
    if not picture.evidence:
        return ""
    more = len(picture.evidence) - 1
    return evidence(picture.evidence[0], now) + (f", and {more} more" if more else "")


def evidence(one: Evidence, now: float) -> str:
    """Why a link is believed."""
    words = [f"{one.source} by {short(one.origin, 30)}"]
    if one.seen:
        words.append(f"{readings.ago(one.seen, now)} ago")
    if one.times > 1:
        words.append(f"{one.times:,}x")
    words.append(f"{one.confidence} of 100 sure")
    return ", ".join(words)


def below(picture: Picture | None, width: int) -> list[Line]:
    """What is not known, and why. Where there is nothing to show, that is said first."""
    if picture is None:
        return []
    lines: list[Line] = []
    if picture.cursor is None:
        lines = [[(" Nothing is known of it yet: no owner, no grant and no use.", "warn")], ()]
    return lines + unknown_lines(picture.unknown, width)


def unknown_lines(unknown: Sequence[str], width: int) -> list[Line]:
    """Each thing that is not known, and why."""
    lines: list[Line] = []
    for number, text in enumerate(unknown):
        lines += block("NOT KNOWN" if number == 0 else "", [(text, "dim")], width, 10)
    return lines


def assigning(what: str, owner: str, width: int) -> list[Line]:
    """What is said before an owner is assigned by hand."""
    told = f"It is {short(owner, NAME)}'s now." if owner else "Nobody answers for it now."
    return [
        (),
        [(f" OWNER of {short(what, 60)}", "bold")],
        *block("", [(f"{told} What is assigned by hand beats every other claim.", "")], width, 2),
        *block("", [("It is journaled with the reason; nothing is sent.", "dim")], width, 2),
    ]


# The tree


def tree_lines(
    graph: Graph, branches: Sequence[Branch], width: int, *, reverse: bool, ascii_only: bool
) -> list[Line]:
    """An indented tree with its guides."""
    ends = _ends(branches)
    guide, empty, tee, end = ("| ", "  ", "|-", "`-") if ascii_only else ("│ ", "  ", "├ ", "└ ")
    lines: list[Line] = []
    open_: list[bool] = []
    for branch, last in zip(branches, ends, strict=True):
        del open_[max(branch.depth - 1, 0) :]
        stem = "".join(guide if one else empty for one in open_)
        if branch.depth:
            stem += end if last else tee
            open_.append(not last)
        if len(stem) > width // 2:
            stem = ("~" if ascii_only else "…") + stem[-(width // 2) :]
        parts: list[Part] = [(f" {stem}", "dim")]
        if branch.kind:
            parts.append((f"{branch.kind} ", "dim"))
        if branch.more:
            lines.append(clip([parts[0], (_more(branch), "accent")], width))
            continue
        node = graph.nodes[branch.num]
        role = role_of(node.side, node.kind)
        parts.append((f"{glyph(node.side, node.kind, ascii_only)} {name(node, 60)}", role))
        if node.place:
            parts.append((f" on {short(node.place, 20)}", "dim"))
        if node.state and node.state != "active":
            parts.append((f" {node.state}", "bad"))
        if branch.again:
            parts.append(("  shown above", "dim"))
        else:
            parts.append((_counted(graph.counts(branch.num, back=reverse)), "place"))
            if branch.also:
                word = "also leads to" if reverse else "also by"
                parts.append((f"  {word} {many(branch.also)} more", "dim"))
        lines.append(clip(parts, width))
    return lines


def _counted(found: Mapping[str, int]) -> str:
    told = ", ".join(f"{many(n)} {NOUNS[side][n != 1]}" for side, n in found.items() if n)
    return f"  {told}" if told else ""


def _more(branch: Branch) -> str:
    return f"and {many(branch.more)} more {NOUNS[branch.kind][branch.more != 1]}"


def _ends(branches: Sequence[Branch]) -> list[bool]:
    """Whether each branch is the last one of its parent."""
    ends = [False] * len(branches)
    later: list[bool] = []
    for number in range(len(branches) - 1, -1, -1):
        depth = branches[number].depth
        del later[depth + 1 :]
        later += [False] * (depth + 1 - len(later))
        ends[number] = not later[depth]
        later[depth] = True
    return ends


# What goes with somebody


LOSSES = (
    ("dies", "DIES", "ends with that account, children included"),
    ("breaks", "BREAKS", "used what dies"),
    ("orphaned", "ORPHANED", "lives on, and nobody answers for it"),
    ("unused", "IDLE", "nothing else was seen to use it"),
)


def loss_lines(
    graph: Graph, loss: Loss, width: int, ascii_only: bool
) -> tuple[list[Line], list[int]]:
    """What it means when somebody goes, and the node of each line, 0 for none."""
    lines: list[Line] = []
    nums: list[int] = []
    for field, word, meaning in LOSSES:
        found: list[int] = getattr(loss, field)
        if lines:
            lines.append(())
            nums.append(0)
        role: Part = (f" {word} {len(found):,}", "bad" if found and field == "dies" else "title")
        lines.append(clip([role, (f"  {meaning}", "dim")], width))
        nums.append(0)
        for num in found:
            node = graph.nodes[num]
            text = f"   {glyph(node.side, node.kind, ascii_only)} {name(node, 60)}"
            place = f" · {short(node.kind, 20)} {short(node.place, 20)}".rstrip(" ")
            lines.append(clip([(text, role_of(node.side, node.kind)), (place, "dim")], width))
            nums.append(num)
    return lines, nums
