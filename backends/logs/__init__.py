"""Audit logs that are read from files and buckets: what was appended, once, across restarts.

``source`` says what a source is, ``tail`` reads growing files through their rotations,
``since`` reads one file again from a point in time, ``objects`` reads files that are written
once. ``servers`` (PostgreSQL, Kubernetes) and ``mapped`` (JSON lines of any kind) know a
format; OpenBao's stands in ``backends.openbao.source``. ``registry`` makes sources from a
configuration.
"""
