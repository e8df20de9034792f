"""What the audit log calls tokens, for logs that are read elsewhere than at the server."""

from __future__ import annotations

from collections.abc import Iterable

from backends.errors import BackendError
from backends.model import TokenRef
from backends.openbao.concurrently import concurrently
from backends.openbao.reader import BaoReader


async def log_names(reader: BaoReader, refs: Iterable[TokenRef]) -> dict[str, TokenRef]:
    """The HMACs that stand for tokens in the audit logs, wherever their files are.

    Which device wrote a file that was shipped elsewhere is not known here, so that each is
    asked. A token of which one does not tell is missing from the answer: it would look like
    one whose every use can be found.
    """
    wanted = set(refs)
    if not wanted:
        return {}
    found: dict[TokenRef, list[str]] = {ref: [] for ref in wanted}
    try:
        devices = await reader.devices(None)
        if reader.log is not None and await reader.scan() is None:
            await reader.join(wanted)
            at_hand = await reader.devices(reader.log.path)
            for name, ref in reader.log.names().items():
                if ref in wanted:
                    found[ref].append(name)
            if len(at_hand) == 1 and all(found.values()):
                # Of its own file's device the names are known by now.
                devices = [name for name in devices if name not in at_hand]
    except BackendError:
        return {}

    async def ask(ref: TokenRef) -> bool:
        found[ref] += [await reader.hashed(device, ref) for device in devices]
        return True

    done = await concurrently(list(wanted), ask, reader.workers)
    told = [ref for ref, result in done if result is True]
    return {name: ref for ref in told for name in found[ref] if name}
