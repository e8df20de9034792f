"""The use cases: what a person can ask of the console about plans and runs, each one function.

Screen, worker and command line read what was asked, call one of these, and show what it
returns. No rule stands in a caller: who asks in which way changes nothing about what is
checked, what is journaled and what is refused. Nothing here prints.

``planning``    make a plan, and keep it for its approval
``approving``   approve it, as the first or as the second person, or without one
``starting``    start a run, or go on with one
``deciding``    pause, resume, abort, let a lane go on, waive, let a token be
``closing``     declare a run done
``trying``      try a leaked value once, outside any run
"""
