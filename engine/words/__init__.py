"""What a shift is in words: phrases whose fit to the images moved, by vectors of texts and images in one space."""
