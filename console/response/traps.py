"""Tokens that bite: names that threaten or watch, and use that looks like a watchdog's.

In May 2026 a worm polled its stolen token every minute and wiped the owner's home when the
answer was a 40x, under a token name that said so; a revocation was its trigger. Honey
tokens are the other way round: somebody's alarm goes off when they are touched.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

from backends.model import Token
from backends.words import count
from console.inventory.records import Event
from console.text import age, safe

AGENT = "token-console"
"""What every request of ours calls itself."""
DAY = 86_400
BEATS = 20
"""Uses in a row below which regularity is chance."""
LONGEST = 300
"""Seconds. A watchdog that waits longer than this between two looks is a slow one."""
STEADY = 0.10
"""How far from the usual pause a regular one may be, and which share of them may be further."""


class Trap(NamedTuple):
    """A pattern of names, and what is known of who uses it."""

    pattern: re.Pattern[str]
    words: str


def _trap(pattern: str, words: str) -> Trap:
    return Trap(re.compile(pattern, re.IGNORECASE), words)


TRAPS = (
    # The sigil that analyses of the worm of 11 May 2026 ("Mini Shai-Hulud") quote.
    _trap(
        r"if.?you.?(revoke|delete|disable).?this|will.?wipe.?the.?computer",
        "a worm of May 2026 names its stolen tokens so, and wipes the host on a 40x",
    ),
    # The worm's watchdog: a systemd user unit or LaunchAgent of this name.
    _trap(
        r"gh[-_]?token[-_]?monitor",
        "a worm's watchdog of May 2026 is called that, and wipes the host on a 40x",
    ),
    # Thinkst Canary (canarytokens.org), which also gives out AWS keys and kubeconfigs.
    _trap(
        r"canary[-_. ]?(token|key|cred|secret|user)|canarytokens?\.(org|com)|thinkst",
        "this is what a canary token is called: somebody's alarm goes off",
    ),
    # GitGuardian's open ggcanary puts this before its IAM users.
    _trap(r"gg[-_]?canary", "GitGuardian's ggcanary names its honey tokens so"),
    # Atlassian's SPACECRAB hands out AWS honey keys under its own IAM path.
    _trap(r"space[-_]?crab", "SPACECRAB names its honey tokens so"),
    _trap(
        r"honey[-_. ]?(token|key|cred|pot|user)|trip[-_]?wire|decoy[-_. ]?(token|key|cred)",
        "this is what a honey token is called: somebody's alarm goes off",
    ),
)
"""Known names of traps. Found in a token's name, its principal's, and what its record says."""


def named(token: Token) -> str:
    """Why a token's names are those of a trap; empty when they are not."""
    principal = token.principal.value
    texts = [token.name, *(value for _, value in token.facts)]
    if principal is not None:
        texts.append(principal.name)
    for text in texts:
        for trap in TRAPS:
            if found := trap.pattern.search(text[:4_096]):
                return f"It is marked {safe(found[0], 60)!r}: {trap.words}."
    return ""


def heartbeat(events: Iterable[Event], now: float) -> str:
    """Why the use of a token looks like a watchdog's; empty when it does not.

    That is many uses in the last day, from one source with one agent, with the same pause
    between them within a tenth, of at most five minutes. Our own requests do not count.
    """
    beats: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if event.at > now - DAY and not ours(event.agent):
            beats[event.source, event.agent].append(event.at)
    for (source, agent), times in beats.items():
        if len(times) < BEATS:
            continue
        times.sort()
        pauses = [after - before for before, after in itertools.pairwise(times)]
        usual = median(pauses)
        if not 0 < usual <= LONGEST:
            continue
        # Logs keep whole seconds, so one of them is never a difference.
        allowed = max(usual * STEADY, 1.0)
        steady = sum(abs(pause - usual) <= allowed for pause in pauses)
        if steady >= len(pauses) * (1 - STEADY):
            return (
                f"It is used every {age(usual)} like a heartbeat, by {safe(agent, 40) or '?'}"
                f" from {safe(source, 45) or '?'} ({count(len(times), 'time')}): a watchdog may act"
                " when it stops. Isolate that host first."
            )
    return ""


def ours(agent: str) -> bool:
    """Whether a request was the console's own."""
    return AGENT in agent


@lru_cache(maxsize=4_096)
def address(source: str) -> str:
    """The address in what a log calls the source: without port, brackets or zone."""
    text = source.strip().partition("%")[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("/")[0])
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def here(environ: Mapping[str, str] = os.environ, proc: Path = Path("/proc/net")) -> frozenset[str]:
    """The addresses by which other systems may know this machine, as far as it can tell.

    Its interfaces' own, and the one that the SSH login came to (the only one that is known
    behind an address translation). Loopback is left out: a system that saw it was used
    from its own machine, which is another one. Empty where the kernel does not say.
    """
    found: set[str] = set()
    words = environ.get("SSH_CONNECTION", "").split()
    if len(words) == 4:
        found.add(address(words[2]))
    try:
        lines = (proc / "fib_trie").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        lines = []
    for before, line in itertools.pairwise(lines):
        if "host LOCAL" in line:
            found.add(address(before.rpartition(" ")[2]))
    try:
        lines = (proc / "if_inet6").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        lines = []
    for line in lines:
        digits = line.partition(" ")[0]
        if len(digits) == 32:
            found.add(str(ipaddress.ip_address(int(digits, 16))))
    return frozenset(one for one in found if one and _tells(one))


def _tells(one: str) -> bool:
    """Whether an address says which machine it is: some are everybody's."""
    found = ipaddress.ip_address(one)
    return not (found.is_loopback or found.is_link_local or one.startswith("0."))
