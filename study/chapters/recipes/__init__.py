"""What the page on the field's recipes computes and shows."""
