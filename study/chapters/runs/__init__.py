"""What the pages of single runs show."""
