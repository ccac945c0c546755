"""What every other unit stands on: errors, registries, random streams, budgets, places and chunks."""
