"""Every row of the registry has a handler in each view that it names, and every handler a row."""

import importlib
import pkgutil

import pytest

from console.tui import views
from console.tui.actions import registry
from console.tui.views.base import View
from console.tui.views.handlers import bound, does, handlers


def _classes() -> list[type[View]]:
    """Every class of a view, and those that views have in common."""
    for module in pkgutil.walk_packages(views.__path__, f"{views.__name__}."):
        importlib.import_module(module.name)
    found: list[type[View]] = [View]
    for cls in found:
        found += [each for each in cls.__subclasses__() if each not in found]
    return [cls for cls in found if cls.__module__.startswith(views.__name__)]


def test_every_row_has_a_handler_and_a_key_in_each_view_that_it_names() -> None:
    named = [cls for cls in _classes() if "view" in vars(cls)]
    assert sorted(cls.view for cls in named) == sorted(registry.VIEWS)
    for cls in named:
        rows = registry.here(cls.view)
        assert set(cls.HANDLERS) == {action.id for action in rows}, cls
        assert len(cls.BINDINGS) == len(rows), cls


def test_no_handler_is_without_a_row() -> None:
    classes = _classes()
    for cls in classes:
        names = {each.view for each in classes if "view" in vars(each) and issubclass(each, cls)}
        for id_ in bound(cls):
            assert names & set(registry.BY_ID[id_].where), (cls, id_)


def test_a_row_without_a_handler_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="the report view has no handler for"):
        handlers(object, "report")
    with pytest.raises(TypeError, match="no handler for raw"):
        type("Wrong", (View,), {"view": "journal", **_for("filter", "open", "kinds", "verify")})


def test_a_handler_without_a_row_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="gives the help view mark"):
        type("Wrong", (View,), {"view": "help", **_for("mark")})
    with pytest.raises(TypeError, match="no action nonsense"):
        does("nonsense")


def _for(*ids: str) -> dict[str, object]:
    """Methods that handle these actions, and do nothing."""
    return {f"do_{id_}": does(id_)(_make()) for id_ in ids}


def _make():  # type: ignore[no-untyped-def]
    def nothing(view: View) -> None:
        """Does nothing."""

    return nothing
