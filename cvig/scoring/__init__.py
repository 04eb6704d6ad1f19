"""What ``cvig score`` does: read a case as projects write it, rank it, and report."""
