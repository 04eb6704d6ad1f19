"""What the page on the published tables examined computes and shows."""
