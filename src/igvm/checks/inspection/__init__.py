"""What several rules want to know of a file, computed once for a check; no rules."""
