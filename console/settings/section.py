"""How a section of the file becomes a value: its schema says what is right, and what to tell.

A schema is a ``Section`` whose fields carry an ``msgspec.Meta``: the constraints, in
``description`` what the value must be (it ends the sentence "OPTION must be ..."), and in
``examples`` a value as the file would have it. ``extra`` may hold ``secret`` (the value is
not to be repeated) and ``explain`` (a function of the value that finds better words).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Meta

from backends import credentials
from backends.errors import ConfigError

Wrong = Callable[[str, str, str], None]
"""Told of a mistake: the option (empty: the section), what is wrong, and the mend. It may
raise; where it does not, the option keeps its default."""

Explain = Callable[[Any], tuple[str, str] | None]
"""What is wrong with a value, and the mend; None where there is no more to say."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the configuration file, or a table of it that has a name."""


class Reference(dict[str, Any]):
    """Where a secret is: a table with one of env, file and command, not yet followed."""


S = TypeVar("S", bound=Section)


def read(schema: type[S], name: str, section: object, folder: Path, wrong: Wrong) -> S:
    """The section of that name by its schema; each mistake in it goes to ``wrong``.

    ``folder`` is where relative paths begin.
    """
    if not isinstance(section, dict):
        wrong("", f"{name} must be a section", f"[{name}]")
        return schema()
    try:
        return msgspec.convert(section, schema, dec_hook=_hook("", folder))
    except (ConfigError, msgspec.ValidationError):
        return _piecemeal(schema, name, section, folder, wrong)


def _piecemeal(
    schema: type[S], name: str, section: dict[str, Any], folder: Path, wrong: Wrong
) -> S:
    """A section with a mistake in it: each option by itself, so that none hides the next."""
    known = {field.encode_name: field for field in msgspec.structs.fields(schema)}
    values: dict[str, Any] = {}
    for option, value in section.items():
        field = known.get(option)
        if field is None:
            if schema.__struct_config__.forbid_unknown_fields:
                told = f"there is no option {option!r} in [{name}]"
                wrong(option, told, f"Known: {', '.join(known)}.")
            continue
        try:
            values[field.name] = msgspec.convert(value, field.type, dec_hook=_hook(option, folder))
        except ConfigError as error:
            wrong(option, str(error), error.hint)
        except msgspec.ValidationError:
            wrong(option, *_words(option, value, field.type))
    return schema(**values)


def _hook(option: str, folder: Path) -> Callable[[type, Any], Any]:
    """Converts what is no type of msgspec's own: paths, and references to secrets."""

    def convert(wanted: type, value: Any) -> Any:
        if wanted is Path:
            if not isinstance(value, str) or not value.strip():
                raise ValueError("no path")
            return folder / Path(value).expanduser()
        if wanted is Reference:
            return Reference(credentials.check(value, option))
        raise NotImplementedError(wanted)

    return convert


def _words(option: str, value: object, wanted: Any) -> tuple[str, str]:
    """What to tell of a value that its type refused, and the mend."""
    meta: Meta = next(one for one in wanted.__metadata__ if isinstance(one, Meta))
    extra = meta.extra or {}
    explain: Explain | None = extra.get("explain")
    if explain is not None and (better := explain(value)) is not None:
        return better
    told = f"{option} must be {meta.description}"
    if not extra.get("secret"):
        told += f", not {value!r}"
    return told, f"{option} = {(meta.examples or ['...'])[0]}"
