"""Real servers on this machine, for trying things out and for our tests.

Every server listens on 127.0.0.1 on a free port, keeps its files in the lab's own
directory, and is ended by its own process id.
"""
