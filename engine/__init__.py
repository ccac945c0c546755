"""The feature-analysis engine: data, store, streams, summaries and the families built on them."""
