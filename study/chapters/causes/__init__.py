"""What the page on causes computes and shows."""
