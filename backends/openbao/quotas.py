"""The rate limit quotas of OpenBao and Vault: how often the server may be asked.

A quota counts each request from one address (not: of one token) at one node, in windows that
follow each other; above it the server answers 429, with a header only where
``enable_rate_limit_response_headers`` is set. Only the most specific quota that fits a
request counts it. Sources: OpenBao's ``api/system/rate-limit-quotas`` and
``concepts/resource-quotas``; ``vault/quotas/quotas.go`` (queryQuota), ``quotas_rate_limit.go``.
"""

from __future__ import annotations

from typing import Any

from backends.errors import BackendError, Forbidden, NotFound
from backends.openbao import mapping
from backends.openbao.client import Client, at
from backends.traffic import Limit, Limits

PATH = "sys/quotas/rate-limit"
MOST = 50
"""Quotas that are looked at. Each costs a request."""
_OURS = ("auth", "sys", "identity")
"""The mounts that the console asks."""


async def limits(client: Client) -> Limits:
    """The quotas that may count the console's requests, and why they are not all known."""
    try:
        names = await client.keys("", PATH)
    except NotFound:
        return Limits()
    except Forbidden:
        hint = mapping.policy(f"{PATH}", "list"), mapping.policy(f"{PATH}/*", "read")
        return Limits(words=f"its quotas may not be read: {' '.join(hint)}")
    except BackendError as error:
        return Limits(words=f"its quotas could not be read: {error.message}")
    found: list[Limit] = []
    words = f"only {MOST} of its {len(names)} quotas were read" if len(names) > MOST else ""
    for name in names[:MOST]:
        try:
            limit = limit_of((await client.get("", f"{PATH}/{name}")).data)
        except NotFound:
            continue
        except BackendError as error:
            words = f"not all of its quotas could be read: {error.message}"
            continue
        if limit is not None:
            found.append(limit)
    return Limits(tuple(found), words)


def limit_of(quota: dict[str, Any]) -> Limit | None:
    """A quota's record as a limit; None for one that counts no request of the console's."""
    rate, path = quota.get("rate"), mapping.text(quota, "path")
    if not isinstance(rate, int | float) or rate <= 0 or mapping.text(quota, "role"):
        return None  # One with a role counts logins only.
    parts = path.split("/")
    mount = any(part in _OURS for part in parts)
    # Where the path is a namespace's, those below it fall under the next quota that is wider,
    # unless it says otherwise. Which it is cannot be told from the path: both are counted.
    return Limit(
        requests=round(rate),
        seconds=_seconds(quota.get("interval")) or 1.0,
        source=f"its quota {mapping.text(quota, 'name')}",
        prefix=at("", path.removesuffix("*")),
        more=not mount and bool(path) and not quota.get("inheritable"),
        block=_seconds(quota.get("block_interval")),
    )


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0
