"""What the page on data computes and shows."""
