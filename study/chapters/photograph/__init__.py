"""What the page on a photograph and a map computes and shows."""
