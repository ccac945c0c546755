"""The explorer: every point of a map in a browser, re-drawn at each zoom, with the image behind each point."""
