"""Audit logs that are read from files and buckets: what was appended, once, across restarts.

``source`` says what a source is, ``tail`` reads growing files through their rotations,
``objects`` reads files that are written once, and one module each knows a format:
``cloudtrail``, ``postgres``, ``kubernetes``, ``mapped`` (JSON lines of any kind) and
``openbao``. ``registry`` makes sources from a configuration.
"""
