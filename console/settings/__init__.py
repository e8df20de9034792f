"""Where things are, and what the configuration file says: one schema, told line by line.

``file`` reads the file as a whole; ``journal``, ``response`` and ``graph`` are the schemas of
its sections, and ``section`` turns a section into the value of its schema.
"""

from console.settings.file import (
    EXAMPLE,
    BackendTable,
    ConsoleSettings,
    Paths,
    Problem,
    Settings,
    SinkTable,
    SourceTable,
    load,
    paths,
)
from console.settings.graph import GraphSettings
from console.settings.journal import JournalSettings
from console.settings.response import ResponseSettings

__all__ = [
    "EXAMPLE",
    "BackendTable",
    "ConsoleSettings",
    "GraphSettings",
    "JournalSettings",
    "Paths",
    "Problem",
    "ResponseSettings",
    "Settings",
    "SinkTable",
    "SourceTable",
    "load",
    "paths",
]
