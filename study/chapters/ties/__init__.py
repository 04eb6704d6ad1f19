"""What the page on ties computes and shows."""
