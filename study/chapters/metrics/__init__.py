"""What the page on metrics computes and shows."""
