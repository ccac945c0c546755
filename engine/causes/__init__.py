"""Causes of a shift, proven by reproduction: what is done to the images of the reference to make them the target's."""
