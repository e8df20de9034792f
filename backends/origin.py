"""Where a backend, a sink or a log source comes from, and whom to tell about its faults."""

from __future__ import annotations

from email.utils import getaddresses
from importlib.metadata import EntryPoint
from typing import NamedTuple

OURS = "token-console"
"""The distribution that this file is of."""
_TRACKERS = ("issue", "bug", "tracker", "support")
_HOMES = ("repository", "source", "home", "homepage", "code")


class Origin(NamedTuple):
    """The distribution behind an entry point.

    ``tell`` is an address of its authors, ``noun`` what it offers: a backend, a sink, ...
    """

    distribution: str
    version: str
    tell: str
    noun: str = "backend"

    @property
    def name(self) -> str:
        """The distribution with its version, as it is installed."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def hint(self) -> str:
        """Whom to tell of a fault, and how to be rid of it."""
        whom = f"{self.tell} ({self.name})" if self.tell else f"who wrote {self.name or 'it'}"
        told = f"This is a fault of the {self.noun}, not of the system: tell {whom}."
        if self.distribution in ("", OURS):
            return told
        return f"{told} To be rid of it: pip uninstall {self.distribution}."


NOBODY = Origin("", "", "")


def of(point: EntryPoint) -> Origin:
    """The origin of an entry point, as far as the distribution's metadata tell."""
    dist = point.dist
    if dist is None:
        return NOBODY
    try:
        about = dist.metadata
        links = [link.partition(",") for link in about.get_all("Project-URL") or ()]
        people = [
            str(value)
            for name in ("Maintainer-email", "Author-email")
            for value in about.get_all(name) or ()
        ]
        addresses = [address for _, address in getaddresses(people) if "@" in address]
        found = [
            *_named(links, _TRACKERS),
            *addresses,
            *_named(links, _HOMES),
            *map(str, about.get_all("Home-page") or ()),
        ]
        tell = next((each for each in found if each and each != "UNKNOWN"), "")
        return Origin(str(about["Name"] or ""), str(dist.version or ""), str(tell))
    except Exception:  # noqa: BLE001
        # Somebody else's metadata may be missing or damaged; the fault is told all the same.
        return NOBODY


def _named(links: list[tuple[str, str, str]], words: tuple[str, ...]) -> list[str]:
    return [url.strip() for label, _, url in links if any(word in label.lower() for word in words)]
