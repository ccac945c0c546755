"""How networks are trained on images."""
