"""This study of the paper; nothing here is needed to use the library."""
