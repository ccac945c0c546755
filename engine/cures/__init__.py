"""What helps against a cause: each remedy on a sample of the images, with what it brings back and what it costs."""
