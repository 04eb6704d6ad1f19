"""What the page on models computes and shows."""
