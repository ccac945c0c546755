"""Synthetic images or rows for small classes, from the training data to a checked set on disk."""
