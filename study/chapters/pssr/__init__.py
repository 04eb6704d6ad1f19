"""What the page on PSSR computes and shows."""
