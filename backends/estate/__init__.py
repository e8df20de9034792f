"""An embedded estate: four simulated token systems in one SQLite file.

For the demo, for drills, and for tests that need a system which lags, fails or lies.
``create`` makes one, ``Estate`` is the backend that reads it, ``EstateWorld`` is the truth
behind it, and ``set_trouble`` tells it to misbehave. ``hazard_cases.plant`` makes the cases that
a hazard gate has to stop at. Needs no network and no server.
"""

from __future__ import annotations

from backends.estate.backend import Estate
from backends.estate.engine import EstateWorld
from backends.estate.hazard_cases import HAZARDS, Planted
from backends.estate.seeding import create
from backends.estate.systems import SYSTEMS
from backends.estate.trouble import (
    SystemTrouble,
    clear_trouble,
    get_trouble,
    set_trouble,
    settings_from,
)

__all__ = [
    "HAZARDS",
    "SYSTEMS",
    "Estate",
    "EstateWorld",
    "Planted",
    "SystemTrouble",
    "clear_trouble",
    "create",
    "get_trouble",
    "set_trouble",
    "settings_from",
]
