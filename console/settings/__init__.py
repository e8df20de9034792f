"""Where things are, and what the configuration file says: one schema, told line by line.

``file`` reads the file as a whole; ``response`` and ``graph`` are two of its sections.
"""

from console.settings.file import (
    DEFAULTS,
    EXAMPLE,
    BackendTable,
    GraphSettings,
    JournalSettings,
    Paths,
    Problem,
    ResponseSettings,
    Settings,
    SinkTable,
    SourceTable,
    load,
    paths,
)

__all__ = [
    "DEFAULTS",
    "EXAMPLE",
    "BackendTable",
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
