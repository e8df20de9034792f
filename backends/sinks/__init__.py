"""Where a new value is delivered: one interface, and the places that consumers read from.

A sink is configured under ``[sink.NAME]``. Its delivery is a step like any other that
changes something: planned call by call, journaled, and made once under a permit.
"""

from backends.sinks.contract import Sink as Sink
from backends.sinks.contract import SinkConfig as SinkConfig
from backends.sinks.registry import configure as configure
