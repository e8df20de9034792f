"""Every use of what Textual does not promise. Checked against textual 8.2.8.

An error that nobody caught must end in one line without data. Textual would print a
traceback with all local variables, and with them whatever secret was in one.
"""

from __future__ import annotations

import codecs
import os
import select
from collections.abc import Iterator
from time import monotonic
from typing import Any, Protocol, runtime_checkable

from rich.color import ColorSystem
from rich.console import RenderableType
from rich.text import Text
from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.constants import ESCAPE_DELAY
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.messages import InBandWindowResize
from textual.screen import Screen
from textual.strip import Strip

from console.tui.draw.painter import Painter, Patch

UNREADABLE = "\ufffd"
"""What stands for bytes that are no UTF-8. No key types it."""

ESCAPE = "\x1b"
BEGIN_SEQUENCES = ("[", "O")
"""What follows an escape in everything that a terminal sends for one key, or by itself."""
PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"
"""What a terminal puts around pasted text."""

LOOK_EVERY_MS = 100
"""After so long without a byte, an escape is the key and not the beginning of another."""
NEVER_MS = -1


@runtime_checkable
class TakesText(Protocol):
    """A widget for which printable keys are text, whatever else they would do."""

    def take(self, text: str) -> None:
        """One typed character."""

    def take_paste(self, text: str) -> None:
        """Pasted text, as it came."""


class KeyReader:
    """Bytes from a terminal as what was pressed, pasted or reported; never an error.

    A terminal set to Latin-1, a paste that was cut inside a character and a report that makes
    no sense are all possible at any time. None of them may end the screen: what is no UTF-8
    becomes ``UNREADABLE``, and a sequence that cannot be understood is left out.

    An escape and the key after it are two keys, however close they come. tmux holds an escape
    back for up to half a second, and a slow link delivers in bursts; Textual would take both
    for one key with alt, which nothing here uses, or forget the escape.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._parser = XTermParser()
        self._begun = ""
        """What has come since the last escape, as far as it matters."""
        self._pasted: list[str] | None = None
        """What has come of a paste that has not ended yet."""
        self._came = 0.0

    def read(self, data: bytes) -> Iterator[Message]:
        """What these bytes complete."""
        # One by one: of what follows a sequence that makes no sense, nothing is lost.
        for character in self._decode(data):
            if self._pasted is not None:
                yield from self._paste(self._pasted, character)
                continue
            if self._begun == ESCAPE and character not in BEGIN_SEQUENCES:
                self._begin_anew()
                yield _escape()
            if character == ESCAPE:
                self._begun = ESCAPE
            elif self._begun:
                self._begun = (self._begun + character)[: len(PASTE_BEGINS) + 1]
            if self._begun == PASTE_BEGINS:
                self._begin_anew()
                self._pasted = []
                continue
            try:
                yield from self._parser.feed(character)
            except Exception:  # noqa: BLE001  (whatever the parser makes of hostile numbers)
                self._begin_anew()

    def _paste(self, pasted: list[str], character: str) -> Iterator[Message]:
        """Collect what is pasted. Whatever is in it is text: Textual would press the keys that
        follow an escape."""
        pasted.append(character)
        self._came = monotonic()
        if character == PASTE_ENDS[-1] and "".join(pasted[-len(PASTE_ENDS) :]) == PASTE_ENDS:
            self._begin_anew()
            yield events.Paste("".join(pasted[: -len(PASTE_ENDS)]).replace("\x00", ""))

    @property
    def waits(self) -> bool:
        """Whether what came may mean something else when nothing follows it."""
        return self._pasted is not None or self._parser._timeout_time is not None

    def rest(self) -> Iterator[Message]:
        """Nothing more has come for a while: what was an escape alone is the key.

        Escape also ends a paste whose end never came; without that, every later key would
        be taken for a part of it.
        """
        if self._pasted is not None:
            if self._pasted[-1:] == [ESCAPE] and monotonic() - self._came >= ESCAPE_DELAY:
                self._begin_anew()
                yield _escape()
            return
        pressed = list(self._parser.tick())
        if pressed:
            begun = self._begun
            self._begin_anew()
            if len(begun) > 1 and begun[1:] in BEGIN_SEQUENCES:
                yield _escape()
                pressed = list(self._parser.feed(begun[1:]))
            yield from pressed


def _escape() -> events.Key:
    return events.Key("escape", ESCAPE)


class CarefulDriver(LinuxDriver):
    """Reads the keyboard without trusting it.

    Sizes come from the kernel only: a report among the keys (or in a paste) that the terminal
    has a billion columns is dropped. So are reports of a mouse that was not asked for.
    """

    def run_input_thread(self) -> None:
        """Read keys until the screen ends, whatever bytes come."""
        keys = KeyReader()
        waiting = select.poll()
        waiting.register(self.fileno, select.POLLIN)
        waiting.register(self._ending[0], select.POLLIN)
        while not self.exit_event.is_set():
            # Who looked again and again would use the processor for nothing.
            came = waiting.poll(LOOK_EVERY_MS if keys.waits else NEVER_MS)
            if any(file == self._ending[0] for file, _ in came):
                continue
            if came:
                data = os.read(self.fileno, 4096)
                if not data:
                    # The end of a file that stands for the keyboard is no reason to spin.
                    self.exit_event.wait(LOOK_EVERY_MS / 1000)
                for message in keys.read(data):
                    self.process_message(message)
            for message in keys.rest():
                self.process_message(message)

    def __init__(self, app: App[Any], **given: Any) -> None:
        super().__init__(app, **given)
        self._ending = os.pipe()
        """What wakes the thread that reads the keyboard, so that it sees that it is to end."""

    def disable_input(self) -> None:
        """End the thread that reads the keyboard."""
        os.write(self._ending[1], b".")
        super().disable_input()
        os.read(self._ending[0], 1)

    def start_application_mode(self) -> None:
        """Take over the terminal, at the start and after a suspension; nothing on it is known."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if isinstance(self._app, CarefulApp):
            self._app.painter.forget()

    def process_message(self, message: Message) -> None:
        """Pass on what a keyboard sends, and drop what only a terminal gone wrong would."""
        if isinstance(message, (events.Resize, InBandWindowResize)):
            return
        if isinstance(message, events.MouseEvent) and not self._mouse:
            return
        super().process_message(message)


class CarefulApp(App[None]):
    """An application that crashes without showing data, and handles one key after the other.

    Textual queues keys for whatever has the focus when they arrive. Over a slow link they
    arrive in bursts, and what was typed for a bar that is just opening would then act as
    commands on what lies behind. Here a key is done with before the next is looked at.

    ``crash_line`` is asked for the line to show; it gets the error.
    """

    def __init__(self) -> None:
        super().__init__(driver_class=CarefulDriver)
        self.painter = Painter()

    def paint_anew(self) -> None:
        """Send all of the screen, whatever the terminal is thought to show."""
        self.painter.forget()
        self.screen.refresh()

    def crash_line(self, error: BaseException | None) -> str:
        """One line for the responder."""
        raise NotImplementedError

    def unreadable(self) -> None:
        """A key was dropped because its bytes are no UTF-8."""

    def unbound(self, key: str) -> None:
        """A key was pressed that does nothing where it was pressed: the character that it
        types, or Textual's name of it."""

    def paste_dropped(self) -> None:
        """Text was pasted where nothing takes text."""

    def keeps_keys(self) -> bool:
        """Whether what has the keys now must keep them, wherever a mouse clicks."""
        return False

    async def on_event(self, event: events.Event) -> None:
        """Do one key after the other, and hand text to whatever takes text."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self.app_focus = True
            await self._pressed(event.key, event.character)
        elif isinstance(event, events.Paste) and not event.is_forwarded:
            taker: object = self.focused
            if isinstance(taker, TakesText):
                taker.take_paste(event.text)
            else:
                self.paste_dropped()
        elif isinstance(event, events.MouseEvent) and not event.is_forwarded:
            had = self.focused
            await super().on_event(event)
            if had is not None and self.keeps_keys():
                self.screen.set_focus(had)
        elif isinstance(event, events.Resize):
            await super().on_event(event)
            # A terminal may have lost what it showed even where its size is the same again.
            if self.screen_stack:
                self.paint_anew()
        else:
            await super().on_event(event)

    async def _pressed(self, key: str, character: str | None) -> None:
        taker: object = self.focused
        if character == UNREADABLE:
            self.unreadable()
        elif isinstance(taker, TakesText) and character is not None and character.isprintable():
            taker.take(character)
        elif not await self._check_bindings(key):
            typed = character if character and character.isprintable() else ""
            self.unbound(typed.strip() or key)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send what differs from what the terminal shows."""
        driver = self._driver
        lost = self._batch_count or not self._running or self._closed or self.is_headless
        if lost or driver is None or not isinstance(renderable, (LayoutUpdate, ChopsUpdate)):
            super()._display(screen, renderable)
            return
        try:
            sent = self.painter.paint(
                _patches(renderable),
                self.size,
                self.screen.outer_size.clamp_offset(self.cursor_position),
                self.console._color_system or ColorSystem.TRUECOLOR,
            )
        except Exception as error:  # noqa: BLE001
            self._handle_exception(error)
        else:
            if sent:
                # In one piece, so that no other thread's can come between.
                whole = f"{SYNC_START}{sent}{SYNC_END}" if self._sync_available else sent
                driver.write(whole)
                driver.flush()
        self.post_display_hook()

    def _handle_exception(self, error: Exception) -> None:
        # Textual shows an error that can draw itself as it is; what it draws is not known.
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._fatal_error()

    def _fatal_error(self) -> None:
        if not self._exit_renderables:
            self._exit_renderables.append(Text(self.crash_line(self._exception)))
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """End with one line, whatever Textual would have printed."""
        # Called with a traceback when the thread that reads the keyboard fails, which is
        # what happens when the terminal goes away.
        self._return_code = 1
        self._fatal_error()


def _patches(update: LayoutUpdate | ChopsUpdate) -> Iterator[Patch]:
    """What a compositor's update paints, and where."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            yield y, update.region.x, Strip.join(line)
        return
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            start, stop = max(x, first), min(end, last)
            if strip is not None and start < stop:
                yield y, start, strip.crop(start - x, stop - x)
