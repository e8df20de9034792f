"""Somebody at the keyboard: a test of the screen says what a person does and sees.

::

    async def steps(user: User) -> None:
        await user.type_filter("ci-deploy", found="1 of 8")
        await user.press("K")
        await user.type("INC-7: leaked", "enter")
        await user.waits_for("enter to revoke, or esc")
        user.sees("REVOKE 1 token on vault-prod")

    use(world.application(paths, act=True, worker="clean"), steps)

What is seen is compared without regard to where lines break and how many blanks stand
between words. Whoever needs the exact lines has them in ``screen``.
"""

from collections.abc import Awaitable, Callable

from patience import HANG
from textual.events import Paste
from textual.pilot import Pilot
from tui_world import drive, screen, settled, until

from console.tui.shell.application import ConsoleApp


def use(
    app: ConsoleApp,
    steps: Callable[["User"], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
) -> None:
    """Have somebody use the application, without a terminal, at a size in columns and lines."""

    async def at_keyboard(pilot: Pilot[None]) -> None:
        await steps(User(pilot, app))

    drive(app, at_keyboard, size)


class User:
    """Presses, types and looks. After each key the screen has settled."""

    def __init__(self, pilot: Pilot[None], app: ConsoleApp) -> None:
        self.pilot = pilot
        self.app = app

    # Doing

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, by Textual's names, and look after each."""
        for key in keys:
            await self.pilot.press(key)
            await settled(self.pilot)

    async def type(self, text: str, *then: str) -> None:
        """Type a text as fast as a person can, then press keys."""
        await self.pilot.press(*text)
        await settled(self.pilot)
        await self.press(*then)

    async def paste(self, text: str) -> None:
        """Paste a text, as a terminal does it."""
        self.app.post_message(Paste(text))
        await settled(self.pilot)

    async def type_filter(self, words: str, *, found: str) -> None:
        """Filter the list, and wait until the number of what was found is there."""
        await self.press("slash", "ctrl+u")
        await self.type(words, "enter")
        await self.waits_for(found)

    # Seeing

    @property
    def screen(self) -> str:
        """What is on the screen, line by line."""
        return screen(self.app)

    def _shows(self, text: str) -> bool:
        return _plain(text) in _plain(self.screen)

    def sees(self, *texts: str) -> None:
        """Assert that all of these are on the screen now."""
        for text in texts:
            assert self._shows(text), f"not seen: {text}\n{self.screen}"

    def sees_no(self, *texts: str) -> None:
        """Assert that none of these is on the screen now."""
        for text in texts:
            assert not self._shows(text), f"seen: {text}\n{self.screen}"

    async def waits_for(self, *texts: str) -> None:
        """Wait until all of these have been seen, one after the other."""
        for text in texts:
            await self.waits_until(lambda text=text: self._shows(text))  # type: ignore[misc]

    async def waits_until(self, true: Callable[[], bool], seconds: float = HANG) -> None:
        """Wait for what cannot be seen; the time only bounds a failure."""
        await until(self.pilot, true, seconds)

    async def waits_for_the_worker(self) -> None:
        """Wait until the process that talks to the backends is there."""
        await self.waits_until(lambda: self.app.link.up)

    @property
    def way(self) -> list[str]:
        """The names of the views from the list of tokens to the one in front."""
        return [view.view for view in self.app.screen_stack]  # type: ignore[attr-defined]


def _plain(text: str) -> str:
    return " ".join(text.split())
