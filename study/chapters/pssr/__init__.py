"""What the page on pssr computes and shows."""
