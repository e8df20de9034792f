"""Which method of a view does which action: bound where the method is written.

``@does("revoke")`` above a method binds it to that row of the registry; the row has the
reason against it, the view has the handler. Both ways are checked when a view's class is
made, so that a row without a handler, or a handler without a row, fails at import and not
under somebody's finger.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import FunctionType, MappingProxyType
from typing import Any, TypeVar

from console.tui.actions.registry import BY_ID, here

Handler = Callable[[Any], Awaitable[None] | None]
"""Does one action for the view that it is given."""

Method = TypeVar("Method", bound=Callable[..., Awaitable[None] | None])

_ALONE, _NAMED = "_does", "_does_each"


def does(*ids: str) -> Callable[[Method], Method]:
    """Bind a method to actions of the registry. Raises ``TypeError`` for an unknown one."""
    return _tagged(_ALONE, ids)


def does_each(*ids: str) -> Callable[[Method], Method]:
    """Bind one method to several actions; it is told by its argument which one is meant.

    Raises ``TypeError`` for an action that the registry does not have.
    """
    return _tagged(_NAMED, ids)


def _tagged(tag: str, ids: tuple[str, ...]) -> Callable[[Method], Method]:
    if unknown := [id_ for id_ in ids if id_ not in BY_ID]:
        raise TypeError(f"the registry has no action {', '.join(unknown)}")

    def bind(method: Method) -> Method:
        setattr(method, tag, ids)
        return method

    return bind


def bound(base: type) -> frozenset[str]:
    """The actions that a class itself binds, without those of the classes that it extends."""
    return frozenset(id_ for id_, _, _ in _tags(base))


def _tags(base: type) -> list[tuple[str, str, bool]]:
    """Each action that a class binds, the name of its method, and whether that is told which."""
    return [
        (id_, name, tag == _NAMED)
        for name, member in vars(base).items()
        if isinstance(member, FunctionType)
        for tag in (_ALONE, _NAMED)
        for id_ in getattr(member, tag, ())
    ]


def handlers(cls: type, view: str) -> Mapping[str, Handler]:
    """The handler of each action that the registry has for a view.

    A method that is overridden keeps its actions, with or without the decorator. Raises
    ``TypeError`` for a row without a handler, and for a handler of the class itself that no
    row of the view asks for.
    """
    found: dict[str, Handler] = {}
    for base in reversed(cls.__mro__):
        for id_, name, named in _tags(base):
            method: Callable[..., Any] = getattr(cls, name)
            found[id_] = _naming(method, id_) if named else method
    rows = {action.id for action in here(view)}
    if missing := sorted(rows - set(found)):
        raise TypeError(f"the {view} view has no handler for {', '.join(missing)}")
    if more := sorted(bound(cls) - rows):
        raise TypeError(f"no row of the registry gives the {view} view {', '.join(more)}")
    return MappingProxyType({id_: found[id_] for id_ in rows})


def _naming(method: Callable[..., Any], id_: str) -> Handler:
    return partial(_call_named, method, id_)


def _call_named(method: Callable[..., Any], id_: str, view: Any) -> Any:
    return method(view, id_)
