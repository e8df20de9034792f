"""A decision about a run: one question after the other, each answered by typing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from backends.words import count
from console.errors import UsageError
from console.journal.format import scan
from console.tui.draw.lines import Line, block
from console.tui.session.worker_link import sentences
from console.tui.widgets.bar import MASKED, Bar
from console.tui.widgets.page import Page


class Question(NamedTuple):
    """``check`` raises ``UsageError`` for an answer that will not do. ``word`` is what has
    to be typed exactly; empty where anything may be."""

    name: str
    prompt: str
    hint: str
    check: Callable[[str], object] | None = None
    word: str = ""


REASON = Question(
    "reason", "reason", "Why? A few words that another person understands.", scan.reason
)


def word(text: str, what: str) -> Question:
    """The last question of what cannot be taken back."""
    return Question("typed", "", f"{what} type  {text}  and enter, or esc.", word=text)


class DecideBar(Bar):
    """Asks ``questions`` under ``lines``, then calls ``done`` with the answers by name.

    ``left`` is called when it was cancelled. The last answer cannot be pasted, so that
    enter and a paste never decide anything.
    """

    def __init__(
        self,
        lines: Callable[[int], Sequence[Line]],
        questions: Sequence[Question],
        done: Callable[[Mapping[str, str]], None],
        left: Callable[[], None],
        room: Callable[[], int],
    ) -> None:
        super().__init__(room)
        self._lines = lines
        self._questions = questions
        self._done = done
        self._left = left
        self.answers: dict[str, str] = {}
        self._over = False

    @property
    def question(self) -> Question:
        """What is asked now."""
        return self._questions[len(self.answers)]

    def on_mount(self) -> None:
        """Show what is decided about, and ask the first question."""
        self._page.can_focus = False
        self.fill(self._lines(self.app.size.width))
        self._next()

    def _next(self) -> None:
        question = self.question
        last = len(self.answers) == len(self._questions) - 1
        self.input.refuse_paste = self._pasted if last else None
        self.ask(f"{question.prompt}  " if question.prompt else "", word=bool(question.word))
        self.hint(question.hint)
        # How much is out of sight is known once there is a size.
        self.call_after_refresh(self.tell)

    def tell(self) -> None:
        """Say what is asked for, and how many lines are out of sight."""
        if self._over:
            return
        if self._page.more:
            self.hint(f"{count(self._page.more, 'more line')}: pgdn. {self.question.hint}")
        else:
            self.hint(self.question.hint)
        self._telling = True

    async def _entered(self) -> None:
        if self._over:
            return
        typed, question = self.input.value.strip(), self.question
        if self.input.masked:
            self.hint(MASKED, bad=True)
            return
        if question.word and typed != question.word:
            self.hint(f"Nothing was done. {question.hint}", bad=True)
            return
        if question.word and not self._page.seen_end:
            self.hint("Read to the end first: pgdn.", bad=True)
            return
        try:
            if question.check is not None:
                question.check(typed)
        except UsageError as error:
            self.hint(sentences(str(error), error.hint), bad=True)
            return
        self.answers[question.name] = typed
        if len(self.answers) < len(self._questions):
            self._next()
            return
        self._over = True
        self.take_keys()
        self.hint("Writing it into the journal …")
        self._done(self.answers)

    def told(self, title: str, says: Sequence[str], left: Callable[[], None]) -> None:
        """It was done, and this has to be read; ``left`` is called when it was."""
        self._over, self._left = True, left
        self.take_keys()
        lines: list[Line] = [(), [(f" {title}", "bold")]]
        for said in says:
            lines += block("", [(said, "")], self.app.size.width, 2)
        self.fill(lines)
        self.hint("It is in the journal. Esc goes back.")

    def _pasted(self) -> None:
        self.hint("Pasting does nothing here: type it by hand, or esc.", bad=True)

    def on_page_resized(self, event: Page.Resized) -> None:
        """Make the lines for the width that there is now."""
        event.stop()
        if not self._over:
            self.fill(self._lines(self.app.size.width), keep=True)

    def action_move(self, what: str) -> None:
        """Scroll what is shown."""
        super().action_move(what)
        self.tell()

    def action_leave(self) -> None:
        """Cancel; nothing was written."""
        self._left()
