"""The way to an act: why, how, what exactly, what speaks against it, and the word by hand.

Enter alone and pasted text never go on; escape always leads out. It holds what the plan
said when it was made, whatever moves meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from textual.binding import Binding, BindingType

from backends.contract import Verb
from console.errors import UsageError
from console.inventory.search.inventory import Row
from console.journal.format import scan
from console.response.plan.not_done import DOES, UNDONE
from console.tui.actions.registry import key
from console.tui.draw.lines import Line, Part, block, count, fit
from console.tui.session.worker_link import sentences
from console.tui.views.act.page import Consumers, many_lines, plan_lines
from console.tui.widgets.bar import MASKED, Bar
from console.tui.widgets.page import Page

CHOOSES = ("revoke", "rotate")
"""Verbs that end a value, and for which it matters whether somebody else has it."""
INCIDENT = re.compile(r"([A-Za-z][A-Za-z0-9_]*-\d+|https?://\S+):\s+(\S.*)")


class ActTarget(NamedTuple):
    """What is to be acted on. ``row`` is there where it is one token; ``extends`` names
    the run that late arrivals are taken into."""

    verb: str
    handles: tuple[str, ...]
    row: Row | None
    name: str
    extends: str = ""


class BarHost(Protocol):
    """What a bar needs of the view that it is in."""

    def reasoned(self, bar: ActBar) -> None:
        """Everything is said that a plan needs."""

    def approved(self, bar: ActBar, plan: str, typed: str, answers: Mapping[str, str]) -> None:
        """The word was typed: the plan with this id is to be carried out."""

    def opened(self, bar: ActBar, plan: str) -> None:
        """The run that waits for a second person is to be shown."""

    def left(self, bar: ActBar) -> None:
        """It was cancelled; nothing was sent."""


class ActBar(Bar):
    """Phases: reason, options, waiting, answers, confirm, approved; or refused, forbidden.

    It only asks; the view that holds it talks to the worker.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "switch", show=False),
        Binding("enter", "go_on", show=False),
    ]

    def __init__(
        self,
        host: BarHost,
        target: ActTarget,
        now: float,
        room: Callable[[], int],
        sinks: Sequence[str],
    ) -> None:
        super().__init__(room)
        self._host = host
        self.target = target
        self._now = now
        self._options = ["leak"] if target.verb in CHOOSES else []
        if target.verb == "rotate":
            self._options += [f"sink {name}" for name in sinks]
        self.chosen: set[str] = set()
        self.phase = "reason"
        self.reason = self.incident = ""
        self.plan: Mapping[str, Any] | None = None
        self.word = ""
        self._questions: list[Mapping[str, Any]] = []
        self._answers: dict[str, str] = {}
        self._consumers = Consumers()
        self._must_see = 0

    @property
    def mode(self) -> str:
        """Whether somebody else may have the value."""
        return "leak" if "leak" in self.chosen else "routine"

    @property
    def sinks(self) -> list[str]:
        """Where the new value is to be delivered."""
        return [name.removeprefix("sink ") for name in self._options if name in self.chosen
                and name != "leak"]  # fmt: skip

    def on_mount(self) -> None:
        """Ask for the reason first."""
        self._page.can_focus = False
        verb = self.target.verb.upper()
        self.fill(
            [
                (),
                [(f" {verb} ", "bad"), (self.target.name, "bold")],
                [("   Nothing is sent yet: the exact calls are shown first.", "dim")],
            ]
        )
        self.ask("reason  ")
        self.hint('Why? For the journal; "INC-7: words" names the incident. Esc leaves.')

    # Reason and options

    def _reasoned(self, typed: str) -> None:
        try:
            found = INCIDENT.fullmatch(typed.strip())
            self.incident = scan.incident(found[1]) if found else ""
            self.reason = scan.reason(found[2] if found else typed)
        except UsageError as error:
            self.hint(sentences(str(error), error.hint), bad=True)
            return
        if not self._options:
            self._wait()
            return
        self.phase = "options"
        self.entitle([(f" {self.target.verb.upper()} ", "bad"), (self.target.name, "bold")])
        self._page.select = True
        self.take_keys()
        self._draw_options(keep=False)

    def _draw_options(self, *, keep: bool) -> None:
        lines: list[Line] = []
        for option in self._options:
            box = "[x]" if option in self.chosen else "[ ]"
            note = "deliver the new value there, and read it back"
            if option == "leak":
                note = "somebody else has it: nothing waits, grace values end"
            lines.append([(f"   {box} {fit(option, 16)} ", ""), (note, "dim")])
        self.fill(lines, keep=keep)
        said = ""
        if self.target.verb == "rotate" and not self.sinks:
            said = " No sink: the new value is sealed in escrow only."
        self.hint(f"Space on/off, enter goes on.{said}")

    def action_switch(self) -> None:
        """Turn the option under the cursor."""
        if self.phase == "options":
            self.chosen ^= {self._options[self._page.cursor]}
            self._draw_options(keep=True)

    def action_go_on(self) -> None:
        """Enter, where nothing is typed."""
        if self.phase == "options":
            self._page.select = False
            self.entitle(())
            self._wait()
        elif self.phase == "second" and self.plan is not None:
            self._host.opened(self, str(self.plan["plan"]))

    def _wait(self) -> None:
        self.phase = "waiting"
        self.take_keys()
        where = self.target.row.backend if self.target.row is not None else "the backends"
        self.hint(f"Asking {where} what it takes … Esc leaves; nothing is sent.")
        self._host.reasoned(self)

    # The plan

    def refused(self, message: str, hint: str, *, lost: bool = False) -> None:
        """There is no plan, or it was refused. Nothing was sent, or ``lost``: nobody knows."""
        self.phase = "refused"
        word = "NOT KNOWN" if lost else UNDONE[Verb(self.target.verb)]
        self.refuse(word, self.target.name, message, hint, lost=lost)

    def _no_call(self, card: Mapping[str, Any]) -> None:
        """Only a person can do it: say that nothing is done, why, and what the keys can do."""
        self.phase = "refused"
        self.take_keys()
        width = self.app.size.width
        lines: list[Line] = [
            (),
            *block("", [(f"{card['title']} ", "bad"), (self.target.name, "bold")], width, 0),
        ]
        for part in str(card["why"]).splitlines():
            lines += block("", [(part, "")], width, 2)
        lines.append(())
        instead = [Verb(str(verb)) for verb in card["instead"]]
        if not instead:
            lines += block("", [("Nothing else can be done here by a call either.", "bold")], width)
        for number, verb in enumerate(instead):
            said: list[Part] = [(f" {key(verb.value)} ", "key"), (f" {verb.value}", "bold")]
            said.append((f": {DOES[verb]}", ""))
            lines += block("  instead" if not number else "", said, width, 11)
        self.fill(lines)
        self.hint("Nothing was sent, and there is nothing to approve. Esc goes back.", bad=True)

    def offer(self, plan: Mapping[str, Any]) -> None:
        """Show the plan; ask for the answers and the word unless something forbids it."""
        if (card := plan.get("not_done")) is not None:
            self._no_call(card)
            return
        self.plan, self.word = plan, str(plan["typed_word"])
        self._questions = [hazard for hazard in plan["hazards"] if not hazard.get("fatal")]
        self.phase = "forbidden" if plan["forbidden"] else "answers"
        self._draw_plan(keep=False)
        if self.phase == "forbidden":
            self.take_keys()
            self.hint("This plan cannot go on. Nothing was sent. Esc goes back.", bad=True)
            return
        self.input.refuse_paste = self._pasted
        self._ask_next()

    def know(self, consumers: Consumers) -> None:
        """The consumers are known now, or known not to be knowable."""
        self._consumers = consumers
        if self.plan is not None and self.phase in ("answers", "confirm", "forbidden"):
            self._draw_plan(keep=True)

    def _draw_plan(self, *, keep: bool) -> None:
        plan, width = self.plan, self.app.size.width
        if plan is None:
            return
        row = self.target.row
        if row is not None and "item" in plan:
            incident = plan.get("incident", self.incident)
            shown = {**plan["item"], "reason": self.reason, "incident": incident,
                     "mode": self.mode, "sinks": self.sinks, "escrow": plan.get("escrow", 0),
                     "second_person": plan.get("second_person", ""),
                     "takes_effect": plan.get("takes_effect", "")}  # fmt: skip
            lines = plan_lines(shown, row, self._consumers, self._now, width)
            self._must_see = len(lines)
        else:
            # What the plan is about has to be read; the calls of each token may be.
            self._must_see = len(many_lines(plan["lines"][: plan["head"]], width))
            lines = many_lines(plan["lines"], width)
        self.fill(lines, keep=keep)

    def _ask_next(self) -> None:
        if len(self._answers) < len(self._questions):
            number = f"hazard {len(self._answers) + 1} of {len(self._questions)}"
            self.ask(f"{number}, why go on?  ")
        else:
            self.phase = "confirm"
            self.ask("", word=True)
        self.call_after_refresh(self.tell)

    def tell(self) -> None:
        """What to do now, on the line above what is typed."""
        unread = self._must_see - self._page.seen
        if unread > 0:
            self.hint(f"{count(unread, 'more line')}: down or pgdn. Read to the end first.")
        elif self.phase == "answers":
            hazard = self._questions[len(self._answers)]
            many = f" ({count(hazard['tokens'], 'token')})" if self.target.row is None else ""
            self.say((f"! {hazard['code']}{many}: ", "bad"), (hazard["text"], ""))
        elif self.phase == "confirm":
            self.say(("Type  ", ""), (self.word, "bold"),
                     (f"  and enter to {self.target.verb}, or esc.", ""))  # fmt: skip
        self._telling = self.phase in ("answers", "confirm")

    async def _entered(self) -> None:
        typed = self.input.value
        if self.input.masked:
            self.hint(MASKED, bad=True)
        elif self.phase == "reason":
            self._reasoned(typed)
        elif self.phase in ("answers", "confirm") and self._page.seen < self._must_see:
            self.hint("Read to the end of the plan first: down or pgdn.", bad=True)
        elif self.phase == "answers":
            try:
                answer = scan.reason(typed)
            except UsageError as error:
                self.hint(f"Enter alone answers nothing: {sentences(str(error), '')}.", bad=True)
                return
            self._answers[str(self._questions[len(self._answers)]["code"])] = answer
            self._ask_next()
        elif self.phase == "confirm" and self.plan is not None:
            if typed != self.word:
                verb = self.target.verb
                self.hint(f"Nothing was sent. To {verb} type  {self.word}  or esc.", bad=True)
                return
            self.phase = "approved"
            self.take_keys()
            self.hint("Handing it over …")
            self._host.approved(self, str(self.plan["plan"]), typed, self._answers)

    def waits(self, why: str, command: str) -> None:
        """It was approved, and nothing starts before a second person has looked."""
        self.phase = "second"
        self.take_keys()
        self.fill(
            [
                (),
                [(" APPROVED, NOT STARTED ", "warn"), (self.target.name, "bold")],
                *block(
                    "",
                    [("A second person has to approve: ", ""), (why, "bold")],
                    self.app.size.width,
                    3,
                ),
                [("   They run  ", ""), (command, "bold")],
                [
                    (
                        f"   or, in their own console: {key('runs')} runs, enter on this one, "
                        f"{key('second')}.",
                        "",
                    )
                ],
            ]
        )
        self.hint(
            f"Enter opens the run: {key('start')} starts it then; {key('glass')} there breaks the "
            "glass. Esc leaves."
        )

    def _pasted(self) -> None:
        self.hint("Pasting does nothing here: type it by hand, or esc.", bad=True)

    def on_page_resized(self, event: Page.Resized) -> None:
        """Make the plan's lines for the width that there is now."""
        event.stop()
        if self.phase in ("answers", "confirm", "forbidden"):
            self._draw_plan(keep=True)
        elif self.phase == "options":
            self._draw_options(keep=True)

    def action_move(self, what: str) -> None:
        """Scroll the plan, or choose an option."""
        super().action_move(what)
        self.tell()

    def action_leave(self) -> None:
        """Cancel."""
        if self.phase != "approved":
            self._host.left(self)
