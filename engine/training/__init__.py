"""Training classifiers on stored rows: what is trained, on which rows, with how much memory, and what is said of it."""
