"""Where a run and its tokens stand, folded from the plan's file and the journal's entries."""
