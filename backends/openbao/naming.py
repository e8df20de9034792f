"""What the audit log calls tokens, for logs that are read elsewhere than at the server."""

from __future__ import annotations

from collections.abc import Iterable

from backends.errors import BackendError
from backends.model import TokenRef
from backends.openbao.reader import Reader, concurrently


async def log_names(reader: Reader, refs: Iterable[TokenRef]) -> dict[str, TokenRef]:
    """The HMACs that stand for tokens in the audit log, wherever its file is.

    Those that the server does not tell are missing from the answer.
    """
    wanted = set(refs)
    if not wanted:
        return {}
    if reader.log is not None and await reader.scan() is None:
        await reader.join(wanted)
        return {name: ref for name, ref in reader.log.names().items() if ref in wanted}
    try:
        device = await reader.find_device()
    except BackendError:
        return {}
    found: dict[str, TokenRef] = {}

    async def ask(ref: TokenRef) -> None:
        found[await reader.hashed(device, ref)] = ref

    await concurrently(list(wanted), ask, reader.workers)
    found.pop("", None)
    return found
