"""The report as one page that holds all it needs: no script, no picture from elsewhere, no link."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from backends.words import count
from console.incident.assess import Assessment
from console.incident.pack import timeline_svg
from console.incident.pack.graph_svg import GraphPicture
from console.incident.papers.document import Block, Bullets, Facts, Heading, Line, Paragraph, Table
from console.incident.papers.names import Name, Names
from console.incident.papers.report import situation
from console.incident.papers.story import Story, StoryRow
from console.incident.words import moment
from console.text import safe

MOST_ROWS = 1000
"""Rows of the timeline that the page lists; the file timeline.json has all."""
FEW_TOKENS = 200
"""Tokens that the page names one by one."""
HEAD = 5
"""Parts of the report before its tokens: the facts, the times, and who has which role."""
WIDEST = 4000
_BADGES = {"open": "bad", "OPEN AGAIN": "bad", "closed": "good"}
REDACTED = (
    "For outsiders: token-1, person-1 and the like stand in place of names, and texts that"
    " somebody wrote are left out."
)


def page(
    found: Assessment,
    story: Story,
    names: Names,
    picture: GraphPicture,
    seen: Iterable[Block],
) -> str:
    """The whole page. ``seen`` is what was seen of each system."""
    report = situation(found, names, every=len(found.tokens) <= FEW_TOKENS)
    css = style()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
    # Nothing at all may be loaded or run, and of styles this one alone.
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = _plain(report.title)
    badge = _BADGES.get(found.state, "bad")
    body = [
        f"<h1>{_line(report.title)}</h1>",
        f'<p class="badges"><span class="badge {badge}">{escape(found.state)}</span>'
        f'<span class="badge">{escape(found.incident.severity)}</span></p>',
    ]
    if names.redacted:
        body.append(f'<p class="note">{escape(REDACTED)}</p>')
    # The picture stands above the long lists, and the rows that it is made of below.
    facts, rest = report.blocks[:HEAD], report.blocks[HEAD:]
    body += _blocks(facts)
    body += ["<h2>What happened, and when</h2>", timeline_svg.drawn(found, story, names)]
    body += _blocks(rest)
    body += ["<h2>Who depends on its tokens</h2>", picture.svg]
    body += [f'<p class="note">{escape(safe(note, WIDEST))}</p>' for note in picture.notes]
    body += _blocks(seen)
    body += _timeline(story, names)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{css}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + f"\n<footer>Made by token-console, as of {moment(found.now)}. VERIFY.md says how to check"
        " that this is what was packed.</footer>\n</main>\n</body>\n</html>\n"
    )


def style() -> str:
    """The page's style, byte for byte."""
    return Path(__file__).with_name("page.css").read_text(encoding="ascii")


def _timeline(story: Story, names: Names) -> Iterator[str]:
    yield "<h2>Timeline</h2>"
    for note in story.folded:
        yield f'<p class="note">{escape(note)}.</p>'
    left = len(story.rows) - MOST_ROWS
    if left > 0:
        yield f'<p class="note">{count(left, "older row")}: in timeline.json alone.</p>'
    head = "".join(f"<th>{title}</th>" for title in ("at", "what", "who", "token"))
    yield f'<table class="t-at"><thead><tr>{head}</tr></thead><tbody>'
    for row in story.rows[-MOST_ROWS:]:
        yield _row(row, names)
    yield "</tbody></table>"


def _row(row: StoryRow, names: Names) -> str:
    what: Line = (names.sentence(row.words, row.bare),)
    if row.address:
        what += (", from ", names.address(row.address))
    token: Line = ()
    if row.handle:
        token = (names.token(row.handle),)
    elif row.backend:
        token = (names.backend(row.backend),)
    who = (names.person(row.who),) if row.who else ()
    return (
        f'<tr><td class="at">{moment(row.at)}</td><td>{_line(what)}</td>'
        f"<td>{_line(who)}</td><td>{_line(token)}</td></tr>"
    )


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Heading(text):
                yield f"<h2>{_line(text)}</h2>"
            case Paragraph(text):
                yield f"<p>{_line(text)}</p>"
            case Bullets(lines):
                yield "<ul>"
                yield from (f"<li>{_line(line)}</li>" for line in lines)
                yield "</ul>"
            case Facts(rows):
                yield "<dl>"
                yield from (
                    f"<dt>{escape(safe(label, WIDEST))}</dt><dd>{_line(line)}</dd>"
                    for label, line in rows
                )
                yield "</dl>"
            case Table(header, cells):
                head = "".join(f"<th>{escape(title)}</th>" for title in header)
                yield f'<table class="t-{header[0]}"><thead><tr>{head}</tr></thead><tbody>'
                for row in cells:
                    told = "".join(f"<td>{_line(cell)}</td>" for cell in row)
                    yield f"<tr>{told}</tr>"
                yield "</tbody></table>"


def _line(line: Line) -> str:
    return "".join(
        f"<bdi>{escape(safe(part, WIDEST))}</bdi>"
        if isinstance(part, Name)
        else escape(safe(part, WIDEST))
        for part in line
    )


def _plain(line: Line) -> str:
    return safe("".join(line), WIDEST)
