"""One line to type into: safe, still, and cheap to redraw.

Textual's own input hands control characters to the terminal and repaints itself whole for
each key; this one draws through ``draw`` like everything else and only the cells that
changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import ClassVar, Protocol, runtime_checkable

from rich.cells import cell_len
from textual.binding import Binding, BindingType

from console.text import safe
from console.tui.draw.cells import Lines
from console.tui.draw.lines import Line, Part, Role, clip, width_of
from console.tui.widgets.typed_secret import DOT, mask

MOST = 400
"""Characters that can be typed."""


def _nothing() -> None:
    """For an input whose changes nobody watches."""


async def _nothing_later() -> None:
    """For an input in which enter means nothing."""


@runtime_checkable
class TellsSecrets(Protocol):
    """What a line needs of the view that it is in, to tell a secret from an id."""

    def knows(self, word: str) -> bool:
        """Whether a word is an id or a name that the store has."""

    def secret_typed(self, what: str) -> None:
        """A secret was typed or pasted, and is masked; ``what`` it is begins a sentence."""


class LineInput(Lines, can_focus=True):
    """``prefix`` stands before what is typed and ``suffix`` at the right end. ``marks`` are
    the places, from and to, of what is typed and not taken.

    ``on_change`` and ``on_enter`` are called at once, so that the next key already finds
    what they did. ``on_home`` is for home where nothing is typed. With ``refuse_paste`` set,
    pasted text is dropped and that is called.

    A secret is masked as soon as it can be told for one, and not kept anywhere. What the
    text is used for must be ``searched``, which does not have the mask. Only where a given
    word has to be typed is nothing masked: ``guarded`` is False then.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(keys, f"edit('{what}')", show=False)
        for keys, what in (
            ("left,ctrl+b", "left"),
            ("right", "right"),
            ("home,ctrl+a", "start"),
            ("end,ctrl+e", "end"),
            ("backspace,ctrl+h", "back"),
            ("delete", "delete"),
            ("ctrl+w", "word"),
            ("ctrl+u", "clear"),
            ("ctrl+k", "tail"),
            ("enter", "enter"),
        )
    ]

    def __init__(
        self,
        prefix: Line = (),
        *,
        value: str = "",
        placeholder: str = "",
        on_change: Callable[[], None] = _nothing,
        on_enter: Callable[[], Awaitable[None]] = _nothing_later,
        on_home: Callable[[], None] = _nothing,
    ) -> None:
        super().__init__()
        self.prefix = prefix
        self.suffix: Sequence[Part] = ()
        self.marks: Sequence[tuple[int, int]] = ()
        self.placeholder = placeholder
        self.value = value
        self.on_change = on_change
        self.on_enter = on_enter
        self.on_home = on_home
        self.refuse_paste: Callable[[], None] | None = None
        self.guarded = True
        self._at = len(value)

    def set_value(self, value: str) -> None:
        """Replace what is typed, as if it had been typed."""
        self.value, self._at = safe(value, MOST), len(safe(value, MOST))
        self._told()

    @property
    def masked(self) -> bool:
        """Whether a secret was typed, and its mask still stands there."""
        return DOT in self.value

    @property
    def searched(self) -> str:
        """What is typed, with blanks in place of each mask."""
        return self.value.replace(DOT, " ")

    def set_suffix(self, suffix: Sequence[Part]) -> None:
        """What to say at the right end."""
        if suffix != self.suffix:
            self.suffix = suffix
            self.redraw()

    def set_marks(self, marks: Sequence[tuple[int, int]]) -> None:
        """What of the text is not taken, drawn as such."""
        if marks != self.marks:
            self.marks = marks
            self.redraw()

    def line(self, y: int) -> Line:
        """The typed text as far as it fits, with what is marked in it and what stands beside it."""
        room = self.size.width - width_of(self.prefix) - width_of(self.suffix) - 1
        # A suffix that leaves no room to type in has to give way.
        suffix = self.suffix if room > 12 else ()
        room = max(self.size.width - width_of(self.prefix) - width_of(suffix) - 1, 1)
        body = self._body(room)
        return [*self.prefix, *body, (" " * (room - width_of(body)), ""), (" ", ""), *suffix]

    def _body(self, room: int) -> list[Part]:
        if not self.value and not self.has_focus:
            return clip([(self.placeholder, "dim")], room)
        start = 0
        while cell_len(self.value[start : self._at]) >= room:
            start += 1
        shown = self.value[start:]
        if self.has_focus and self._at == len(self.value):
            shown += " "
        roles = groupby(enumerate(shown, start), lambda placed: self._role(placed[0]))
        return clip([("".join(letter for _, letter in run), role) for role, run in roles], room)

    def _role(self, at: int) -> Role:
        if at == self._at and self.has_focus:
            return "cursor"
        return "bad" if any(first <= at < last for first, last in self.marks) else ""

    def take(self, text: str) -> None:
        """One typed character."""
        self._insert(text)

    def take_paste(self, text: str) -> None:
        """Pasted text: put in on one line, or refused."""
        if self.refuse_paste is not None:
            self.refuse_paste()
        else:
            self._insert(" ".join(text.split()))

    def on_focus(self) -> None:
        """Show the cursor."""
        self.redraw()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.redraw()

    def _insert(self, text: str) -> None:
        before, after = self.value[: self._at], self.value[self._at :]
        if self.guarded:
            if before.endswith(DOT):
                # The rest of a secret, of which the beginning was enough.
                text = text.removeprefix(text.split(" ")[0])
            value, what = mask(before + text + after, self._known)
            if what:
                self.value = safe(value, MOST)
                self._at = len(self.value) - len(after) if value.endswith(after) else len(value)
                self._told()
                if isinstance(self.screen, TellsSecrets):
                    self.screen.secret_typed(what)
                return
        text = safe(text, max(MOST - len(self.value), 0)) if len(self.value) < MOST else ""
        self.value = before + text + after
        self._at += len(text)
        self._told()

    def _known(self, word: str) -> bool:
        return isinstance(self.screen, TellsSecrets) and self.screen.knows(word)

    async def action_edit(self, what: str) -> None:
        """One of the editing keys."""
        value, at = self.value, self._at
        match what:
            case "left":
                self._at = max(at - 1, 0)
            case "right":
                self._at = min(at + 1, len(value))
            case "start":
                self._at = 0
                if not value:
                    self.on_home()
            case "end":
                self._at = len(value)
            case "back":
                # Of a mask, no part is left.
                kept = value[:at].rstrip(DOT) if value[:at].endswith(DOT) else value[:at][:-1]
                self.value, self._at = kept + value[at:], len(kept)
            case "delete":
                self.value = value[:at] + value[at + 1 :]
            case "word":
                kept = value[:at].rstrip()
                kept = kept[: kept.rfind(" ") + 1]
                self.value, self._at = kept + value[at:], len(kept)
            case "clear":
                self.value, self._at = value[at:], 0
            case "tail":
                self.value = value[:at]
            case _:
                await self.on_enter()
                return
        if self.value != value:
            self._told()
        else:
            self.redraw()

    def _told(self) -> None:
        self.redraw()
        self.on_change()
