"""What a search says, and the files that say it."""
