"""The three verbs over data too big for memory: `each`, `fold` and `scan`."""
