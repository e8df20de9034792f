"""What tokens did, when: lanes and bins and words, with nothing but the standard library.

``axis`` is the arithmetic of a window of time, ``lanes`` and ``view`` make what is drawn,
``marks`` finds the moments worth a marker, ``coverage`` knows what the logs do not cover,
``since`` answers "used since the leak?", ``events`` shows single events, ``plain`` writes it
all as text. Logs are taken in by ``console.audit``.
"""
