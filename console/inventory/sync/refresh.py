"""Reads one token again and writes what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from backends.contract import Backend
from backends.errors import BackendError, NotFound
from backends.model import Token, TokenRef
from console.inventory.sync import coverage, write_tokens
from console.inventory.sync.coverage import trouble
from console.inventory.sync.validate import Garbage, Shaped, shape
from console.inventory.sync.write_tokens import SyncPass
from console.store.database import Connection
from console.store.write import backends, tokens
from console.store.writer import StoreWriter


async def refresh(store: StoreWriter, backend: Backend, ref: TokenRef) -> Token | None:
    """Read one token again and write it. None when its system says that there is none such.

    Raises:
        BackendError: it could not be read; the store is as before.
        StoreError: the store cannot be written.
    """
    look = SyncPass(backend.name, store.time(), first=False)
    try:
        token = await backend.read(ref)
        shaped = shape(token, backend.name)
    except NotFound:
        await store.write(_gone, look, ref)
        return None
    except BackendError:
        raise
    except Garbage as error:
        raise BackendError(str(error), coverage.FAULT_HINT) from None
    except Exception as error:  # noqa: BLE001
        # A third party's backend may fail in any way, and may say secrets while at it.
        why = trouble(error, backend)
        raise BackendError(why.message, why.hint) from None
    await store.write(_present, backend, look, shaped)
    if look.garbage:
        raise BackendError(next(iter(look.garbage)), coverage.FAULT_HINT)
    return token


async def refresh_some(
    store: StoreWriter, backend: Backend, refs: Iterable[TokenRef]
) -> Counter[str]:
    """Read some tokens again and write them, all or none. Returns how many by kind of change.

    Raises:
        BackendError, and whatever else a third party's backend may: one could not be read, and
            the store is as before.
        StoreError: the store cannot be written.
    """
    look = SyncPass(backend.name, store.time(), first=False)
    present: list[Shaped] = []
    gone: list[TokenRef] = []
    for ref in refs:
        try:
            present.append(shape(await backend.read(ref), backend.name))
        except NotFound:
            gone.append(ref)
        except Garbage as error:
            raise BackendError(str(error), coverage.FAULT_HINT) from None
    await store.write(_several, look, present, gone)
    if look.garbage:
        raise BackendError(next(iter(look.garbage)), coverage.FAULT_HINT)
    return look.counts


def _several(
    connection: Connection, look: SyncPass, present: list[Shaped], gone: list[TokenRef]
) -> None:
    for ref in gone:
        _gone(connection, look, ref)
    if present:
        write_tokens.write(connection, look, present, read_at=look.at)


def _gone(connection: Connection, look: SyncPass, ref: TokenRef) -> None:
    numbers = tokens.numbers_of(connection, ref.handle)
    if write_tokens.mark_gone(connection, look, numbers, "not found when read"):
        tokens.note_read(connection, ref.handle, look.at)


def _present(connection: Connection, backend: Backend, look: SyncPass, shaped: Shaped) -> None:
    backends.ensure(connection, backend.name, coverage.clean(backend.type_name))
    write_tokens.write(connection, look, [shaped], read_at=look.at)
