"""Where images come from: the catalogue of datasets, sources, decoding and splits."""
