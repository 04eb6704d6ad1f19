"""What the page on promises computes and shows."""
