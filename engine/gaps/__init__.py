"""Which part of the accuracy lost from one set to another each cause explains."""
