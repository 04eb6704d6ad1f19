"""Embeddings and ground truth as projects store them."""
