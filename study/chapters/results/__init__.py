"""What the page on results computes and shows."""
