"""The way that was gone through the views: back along it, and to and fro between two.

Escape goes where one came from, always. So every view lies over the one that it was
opened from, whatever that is, and a view may lie in the stack more than once: the stack is
the way that was gone, and not a tree of what belongs to what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from textual.app import App

if TYPE_CHECKING:
    from console.tui.views.base import View

DEEPEST = 16
"""Views in the stack. Of a longer way the oldest part is forgotten: each view costs memory."""


class Visited(NamedTuple):
    """A view that was in front: the view itself while it lives, and how to make it anew."""

    view: View
    again: Callable[[], View] | None


class Way:
    """Every view is opened and left through this. ``bottom`` is the view below all others."""

    def __init__(self, app: App[None], bottom: View) -> None:
        self._app = app
        self._bottom = bottom
        self._again: dict[View, Callable[[], View]] = {}
        self._before: Visited | None = None

    @property
    def behind(self) -> bool:
        """Whether there is a view to go back to."""
        return len(self._app.screen_stack) > 1

    @property
    def before(self) -> str:
        """The name of the view before this one; empty where no other was opened yet."""
        return self._before.view.view if self._before is not None else ""

    async def open(self, make: Callable[[], View], *, again: bool = True) -> View:
        """Open a view over the one in front. ``again`` says that it can be made anew later."""
        view = make()
        if again:
            self._again[view] = make
        await self._over(view)
        return view

    async def go(self, name: str, make: Callable[[], View]) -> None:
        """Bring a view to the front of which there is one at a time, by its name."""
        if self._front.view == name:
            return
        same = [view for view in self._stack() if view.view == name]
        if same:
            await self._over(same[-1])
        else:
            await self.open(make)

    async def down(self) -> None:
        """To the view below all others; escape goes back from there too."""
        if self._front is not self._bottom:
            await self._over(self._bottom)

    def back(self) -> bool:
        """To where one came from. False where the way begins here."""
        if not self.behind:
            return False
        self._left(self._front)
        self._app.pop_screen()
        self._tidy()
        return True

    async def last(self) -> None:
        """To the view before this one, and from there to this one again."""
        before = self._before
        if before is None:
            return
        if before.view in self._app.screen_stack:
            await self._over(before.view)
        elif before.again is not None:
            await self.open(before.again)

    @property
    def _front(self) -> View:
        return self._stack()[-1]

    def _stack(self) -> list[View]:
        from console.tui.views.base import View

        return [screen for screen in self._app.screen_stack if isinstance(screen, View)]

    async def _over(self, view: View) -> None:
        self._left(self._front)
        await self._app.push_screen(view)
        await self._forget_oldest()

    def _left(self, view: View) -> None:
        """This view is left. One that cannot be made anew is no place to come back to."""
        again = self._again.get(view)
        if again is not None or view is self._bottom:
            self._before = Visited(view, again)

    async def _forget_oldest(self) -> None:
        stack = self._app._screen_stack
        while len(stack) > DEEPEST:
            gone = [stack.pop(1)]
            # A view that reads through the one below it is nothing without that; and the
            # bottom twice in a row would be an escape that does nothing.
            while len(stack) > 2 and (
                stack[1] is self._bottom or getattr(stack[1], "leans", False)
            ):
                gone.append(stack.pop(1))
            for screen in gone:
                if screen not in stack:
                    await screen.remove()
        self._tidy()

    def _tidy(self) -> None:
        alive = set(self._app.screen_stack)
        self._again = {view: make for view, make in self._again.items() if view in alive}
