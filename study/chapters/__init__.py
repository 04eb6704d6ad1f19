"""What the pages of the book compute and show, a folder a page."""
