"""The page on experiment E3: losses at equal budget."""
