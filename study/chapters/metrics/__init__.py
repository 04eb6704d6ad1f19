"""What the page on metrics shows."""
