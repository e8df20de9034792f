"""The section ``[graph]`` of the configuration file: where teams keep who owns and uses what."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from console.settings.section import Section

PathList = Annotated[tuple[Path, ...], Meta(description="a list of paths", examples=['["PATH"]'])]
"""Files or directories; relative ones begin at the configuration file."""


class GraphSettings(Section, frozen=True):
    """The section ``[graph]``. A missing file is no mistake here: it is told as not known."""

    owners: PathList = ()
    """``owners.toml`` and CODEOWNERS files."""
    consumers: PathList = ()
    """Files that declare who uses a token."""
    configs: PathList = ()
    """Directories that are searched for tokens."""
