"""`lastunit replay`: the journal once more, proved against what was pushed and said, or tried with other rules."""
