"""From entry points to configured backends. One broken backend is reported, never fatal.

A distribution offers a backend under the entry-point group ``token_console.backends``::

    [project.entry-points."token_console.backends"]
    mysystem = "my_package.mysystem:MySystem"

Whatever is wrong with somebody else's backend becomes a ``BrokenBackend`` that names the
distribution, so that everything around it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from backends import credentials, origin
from backends.contract import VERSION, Backend, BackendConfig, Capabilities, Option
from backends.errors import BackendError, BrokenBackend, ConfigError, MissingLibrary
from backends.origin import NOBODY, Origin

T = TypeVar("T")

GROUP = "token_console.backends"
COMMON = frozenset({"type", "read", "act", "production", "enabled", "rate"})
"""Entries that every backend's table may have; the console itself reads these."""

BUILT_IN: Mapping[str, str] = {
    "openbao": "backends.openbao:OpenBao",
    "aws_iam": "backends.aws_iam:AwsIam",
    "postgres": "backends.postgres:Postgres",
    "estate": "backends.estate:Estate",
}
"""Our own, by name. An entry point of that name that leads elsewhere is never followed:
it would be given the credentials that are meant for ours."""


def names() -> list[str]:
    """The types of backend that there are. Imports none of them."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def _points(type_: str) -> list[EntryPoint]:
    """The entry points of a name, each once, our own first.

    Our own are there also where the installation's metadata cannot be read: in a tree that
    is not installed, or for a user who may not look into the environment.
    """
    found: dict[tuple[str, str], EntryPoint] = {}
    for point in entry_points(group=GROUP, name=type_):
        found.setdefault((point.value, origin.of(point).distribution), point)
    ours = BUILT_IN.get(type_)
    if ours and not any(value == ours for value, _ in found):
        found[ours, origin.OURS] = EntryPoint(type_, ours, GROUP)
    return sorted(found.values(), key=lambda point: point.value != ours)


def _of_ours(type_: str, points: list[EntryPoint]) -> bool:
    return bool(points) and points[0].value == BUILT_IN.get(type_)


def clash(type_: str) -> str:
    """That several distributions offer one name, and which of them is used; else empty."""
    return _clash(type_, _points(type_))


def _clash(type_: str, points: list[EntryPoint]) -> str:
    ours = _of_ours(type_, points)
    others = [_who(point) for point in (points[1:] if ours else points)]
    if ours and others:
        return f"{_list(others)} calls itself {type_!r} too: the built-in one is used"
    if len(others) > 1:
        return f"{_list(others)} all call themselves {type_!r}: none of them is used"
    return ""


def _who(point: EntryPoint) -> str:
    return origin.of(point).name or f"a distribution with {point.value}"


def _list(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


CLASH_HINT = "Uninstall what should not be there: pip uninstall NAME."


def origin_of(type_: object) -> Origin:
    """Which distribution a type of backend comes from. Never raises."""
    if not isinstance(type_, str):
        return NOBODY
    points = _points(type_)
    return origin.of(points[0]) if points else NOBODY


def load(type_: str) -> type[Backend]:
    """Import one type of backend.

    Raises:
        ConfigError: no installed distribution offers it.
        MissingLibrary: it is there, but a library that it needs is not.
        BrokenBackend: it is there and cannot be used, or several distributions offer it.
    """
    points = _points(type_)
    if not points:
        raise ConfigError(
            f"no backend is called {type_!r}",
            f"Installed are: {', '.join(names()) or 'none'}.",
            option="type",
        )
    if (told := _clash(type_, points)) and not _of_ours(type_, points):
        raise BrokenBackend(told, CLASH_HINT)
    backend: Any = _guarded(type_, IMPORTED, points[0].load)
    if why := _guarded(type_, "be looked at", lambda: _unusable(backend)):
        raise _broken(type_, why)
    return backend  # type: ignore[no-any-return]


IMPORTED = "be imported"


def _guarded(type_: str, what: str, call: Callable[[], T]) -> T:
    """The result of somebody else's code. What it raises becomes a ``BrokenBackend``.

    ``SystemExit`` is caught as well: a module that ends the process ends all of them.
    """
    try:
        return call()
    except BackendError:
        raise
    except ModuleNotFoundError as error:
        whose = origin_of(type_)
        raise MissingLibrary(
            f"the backend {type_!r}{_of(whose)} needs the library {error.name!r}",
            _install(type_, whose),
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001
        # The text of an error at import names what is wrong, and has seen no secret; that of
        # any later one may hold the credential that the backend was given.
        words = f": {str(error)[:200]}" if what == IMPORTED and str(error) else ""
        raise _broken(type_, f"cannot {what}: {type(error).__name__}{words}") from None


def _broken(type_: str, why: str) -> BrokenBackend:
    whose = origin_of(type_)
    return BrokenBackend(f"the backend {type_!r}{_of(whose)} {why}", whose.hint)


def _of(whose: Origin) -> str:
    return f" of {whose.name}" if whose.name and whose.distribution != origin.OURS else ""


def _install(type_: str, whose: Origin) -> str:
    if whose.distribution in ("", origin.OURS):
        return f"Install it: pip install 'token-console[{_extra(type_)}]'."
    return f"Install what {whose.name} needs, or tell {whose.tell or 'its authors'}."


def _unusable(backend: Any) -> str:
    """Why a loaded object is no backend that can be used; empty where it is one."""
    if not (isinstance(backend, type) and issubclass(backend, Backend)):
        return "is not a backends.contract.Backend"
    stated: Any = backend.contract
    if type(stated) is not int:
        return f"states no contract version that can be read (it has {type(stated).__name__})"
    if stated != VERSION:
        newer = "an older" if stated < VERSION else "a newer"
        return f"was written for {newer} contract: version {stated}, and this console has {VERSION}"
    if missing := sorted(getattr(backend, "__abstractmethods__", ())):
        return f"misses what every backend must have: {', '.join(missing)}"
    return ""


def _extra(type_: str) -> str:
    return {"aws_iam": "aws"}.get(type_, type_)


def check_options(
    declared: Iterable[Option], given: Mapping[str, Any], common: Iterable[str] = COMMON
) -> dict[str, Any]:
    """The options with their defaults filled in and their types checked.

    Raises:
        ConfigError: for an unknown, missing or wrongly typed one; ``option`` names it.
    """
    table = {option.name: option for option in declared}
    for name in given:
        if name not in table:
            known = ", ".join(sorted([*table, *common]))
            raise ConfigError(f"there is no option {name!r}", f"Known are: {known}.", option=name)
    values: dict[str, Any] = {}
    for name, option in table.items():
        if name not in given:
            if option.required:
                raise ConfigError(f"the option {name!r} is missing", option.help, option=name)
            values[name] = option.default
            continue
        value = given[name]
        if option.kind is float and type(value) is int:
            value = float(value)
        strings = not isinstance(value, list) or all(isinstance(item, str) for item in value)
        if type(value) is not option.kind or not strings:
            wanted = "list of strings" if option.kind is list else option.kind.__name__
            raise ConfigError(f"{name} must be a {wanted}, not {value!r}", option.help, option=name)
        values[name] = value
    return values


def configure(name: str, table: Mapping[str, Any], *, act: bool = False) -> Backend:
    """A backend from its table in the configuration file, with its secrets resolved.

    The credential to act with is only looked up when ``act`` is true, so that a console
    that just looks never holds it.

    Raises:
        ConfigError, MissingLibrary, BrokenBackend: see above.
    """
    type_ = table.get("type")
    if not isinstance(type_, str):
        raise ConfigError("the option 'type' is missing", f"One of: {', '.join(names())}.", "type")
    backend = load(type_)
    options = check_options(
        _guarded(type_, "say its options", lambda: tuple(backend.options)),
        {key: value for key, value in table.items() if key not in COMMON},
    )
    rate = table.get("rate")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float)):
        rate = -1.0
    if rate is not None and rate <= 0:
        raise ConfigError("rate must be a number above 0", "Changing calls a second.", "rate")
    read = credentials.resolve(table["read"], "read") if "read" in table else None
    write = credentials.resolve(table["act"], "act") if act and "act" in table else None
    config = BackendConfig(
        name=name,
        type=type_,
        options=options,
        read=read,
        act=write,
        production=bool(table.get("production", False)),
        rate=None if rate is None else float(rate),
    )
    return _made(type_, backend, config)


def _made(type_: str, backend: type[Backend], config: BackendConfig) -> Backend:
    """An instance that is what it should be and declares what it can do."""
    made = _guarded(type_, "be made from its table", lambda: backend(config))
    declared: Any = _guarded(type_, "say what it can do", lambda: made.capabilities())
    if not isinstance(declared, Capabilities):
        raise _broken(type_, f"declares a {type(declared).__name__} instead of capabilities")
    return made
