"""What tokens did, when: events in, lanes and bins and words out.

``ingest`` and ``names`` take log sources in and need the database toolkit. All else reads,
with nothing but the standard library, so that a screen can use it: ``axis`` is the
arithmetic of a window of time, ``lanes`` and ``view`` make what is drawn, ``marks`` finds
the moments worth a marker, ``coverage`` knows what the logs do not cover, ``since`` answers
"used since the leak?", ``events`` shows single events, ``plain`` writes it all as text.
"""
