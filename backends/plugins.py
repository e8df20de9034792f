"""What is built in and what other distributions offer, by name: one mechanism for three groups.

Backends, sinks and log sources are each a :class:`Registry`. A distribution offers one under
the group's name::

    [project.entry-points."token_console.backends"]
    mysystem = "my_package.mysystem:MySystem"

It is imported only where a table of the configuration names it. Whatever is wrong with it
becomes a ``BrokenPlugin`` that names the distribution, so that everything around it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from backends import origin
from backends.contract import OLDEST, VERSION
from backends.errors import BackendError, BrokenPlugin, ConfigError, MissingLibrary
from backends.origin import NOBODY, Origin

P = TypeVar("P")
T = TypeVar("T")

CLASH_HINT = "Uninstall what should not be there: pip uninstall NAME."
_IMPORTED = "be imported"


class Registry(Generic[P]):
    """The types of one group, each by the ``type`` that the configuration file gives.

    ``built_in`` are our own, by name. An entry point of such a name that leads elsewhere is
    never followed: it would be given the credentials, or the live values, that are meant for
    ours. ``base`` is the class that all of them are, ``noun`` what one of them is called in a
    sentence. ``states`` are attributes that a class must have beside the methods of ``base``.
    ``extras`` are the optional dependencies of ours, by name.
    """

    def __init__(
        self,
        group: str,
        built_in: Mapping[str, str],
        base: type,
        noun: str,
        *,
        states: Sequence[str] = (),
        extras: Mapping[str, str] | None = None,
    ) -> None:
        self.group = group
        self.built_in = built_in
        self.noun = noun
        self._base = base
        self._states = states
        self._extras = extras or {}

    def names(self) -> list[str]:
        """The types that there are, built in or installed. Imports none of them."""
        return sorted({*self.built_in, *(point.name for point in entry_points(group=self.group))})

    def clash(self, type_: str) -> str:
        """That several distributions offer one name, and which of them is used; else empty."""
        return self._clash(type_, self._points(type_))

    def origin_of(self, type_: object) -> Origin:
        """Which distribution a type comes from. Never raises."""
        points = self._points(type_) if isinstance(type_, str) else []
        whose = origin.of(points[0]) if points else NOBODY
        return whose._replace(noun=self.noun)

    def load(self, type_: str) -> type[P]:
        """Import one type, and look whether it can be used.

        Raises:
            ConfigError: no installed distribution offers it.
            MissingLibrary: it is there, but a library that it needs is not.
            BrokenPlugin: it is there and cannot be used, or several distributions offer it.
        """
        points = self._points(type_)
        if not points:
            raise ConfigError(
                f"no {self.noun} is called {type_!r}",
                f"Installed are: {', '.join(self.names()) or 'none'}.",
                option="type",
            )
        if (told := self._clash(type_, points)) and not self._of_ours(type_, points):
            raise BrokenPlugin(told, CLASH_HINT)
        found: Any = self.guarded(type_, _IMPORTED, points[0].load)
        if why := self.guarded(type_, "be looked at", lambda: self._unusable(found)):
            raise self.broken(type_, why)
        return found  # type: ignore[no-any-return]

    def guarded(self, type_: str, what: str, call: Callable[[], T]) -> T:
        """The result of somebody else's code, which cannot ``what`` if it raises.

        ``SystemExit`` is caught as well: a module that ends the process ends all of them.

        Raises:
            BackendError: the code's own, as it is.
            MissingLibrary: a module that it imports is not there.
            BrokenPlugin: it raised anything else.
        """
        try:
            return call()
        except BackendError:
            raise
        except ModuleNotFoundError as error:
            whose = self.origin_of(type_)
            raise MissingLibrary(
                f"the {self.noun} {type_!r}{_of(whose)} needs the library {error.name!r}",
                self._install(type_, whose),
            ) from None
        except (Exception, SystemExit) as error:  # noqa: BLE001
            # The text of an error at import names what is wrong, and has seen no secret; that of
            # any later one may hold the credential that it was given.
            words = f": {str(error)[:200]}" if what == _IMPORTED and str(error) else ""
            raise self.broken(type_, f"cannot {what}: {type(error).__name__}{words}") from None

    def fault(self, type_: str, error: BaseException) -> BackendError:
        """What went wrong at work, as an error that may be shown and says whom to tell.

        Only a ``BackendError`` may speak for itself: any other may hold a secret, so only its
        type is told.
        """
        if isinstance(error, BackendError):
            return error
        return self.broken(type_, f"failed with {type(error).__name__}")

    def broken(self, type_: str, why: str) -> BrokenPlugin:
        """An error that names a type and its distribution, and says ``why`` it is of no use."""
        whose = self.origin_of(type_)
        return BrokenPlugin(f"the {self.noun} {type_!r}{_of(whose)} {why}", whose.hint)

    def _points(self, type_: str) -> list[EntryPoint]:
        """The entry points of a name, each once, our own first.

        Our own are there also where the installation's metadata cannot be read: in a tree
        that is not installed, or for a user who may not look into the environment.
        """
        found: dict[tuple[str, str], EntryPoint] = {}
        for point in entry_points(group=self.group, name=type_):
            found.setdefault((point.value, origin.of(point).distribution), point)
        ours = self.built_in.get(type_)
        if ours and not any(value == ours for value, _ in found):
            found[ours, origin.OURS] = EntryPoint(type_, ours, self.group)
        return sorted(found.values(), key=lambda point: point.value != ours)

    def _of_ours(self, type_: str, points: list[EntryPoint]) -> bool:
        return bool(points) and points[0].value == self.built_in.get(type_)

    def _clash(self, type_: str, points: list[EntryPoint]) -> str:
        ours = self._of_ours(type_, points)
        others = sorted(_who(point) for point in (points[1:] if ours else points))
        if ours and others:
            return f"{_list(others)} calls itself {type_!r} too: the built-in one is used"
        if len(others) > 1:
            return f"{_list(others)} all call themselves {type_!r}: none of them is used"
        return ""

    def _unusable(self, found: Any) -> str:
        """Why a loaded object is none that can be used; empty where it is one."""
        if not (isinstance(found, type) and issubclass(found, self._base)):
            return f"is not a {self._base.__module__}.{self._base.__qualname__}"
        stated: Any = getattr(found, "contract", None)
        if type(stated) is not int:
            return f"states no contract version that can be read (it has {type(stated).__name__})"
        if not OLDEST <= stated <= VERSION:
            newer = "an older" if stated < OLDEST else "a newer"
            return (
                f"was written for {newer} contract: version {stated}, and this console takes"
                f" {OLDEST} to {VERSION}"
            )
        missing = {*getattr(found, "__abstractmethods__", ())}
        missing |= {name for name in self._states if not hasattr(found, name)}
        if missing:
            return f"misses what every {self.noun} must have: {', '.join(sorted(missing))}"
        return ""

    def _install(self, type_: str, whose: Origin) -> str:
        if whose.distribution not in ("", origin.OURS):
            return f"Install what {whose.name} needs, or tell {whose.tell or 'its authors'}."
        extra = self._extras.get(type_)
        what = f"token-console[{extra}]" if extra else "token-console"
        return f"Install it: pip install '{what}'."


def _who(point: EntryPoint) -> str:
    return origin.of(point).name or f"a distribution with {point.value}"


def _list(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _of(whose: Origin) -> str:
    return f" of {whose.name}" if whose.name and whose.distribution != origin.OURS else ""
