"""What the page on examined computes and shows."""
