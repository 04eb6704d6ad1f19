"""What the pages of single runs compute and show."""
