"""What the page on what the metrics promise computes and shows."""
