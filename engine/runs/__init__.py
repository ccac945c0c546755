"""The record of a run: its folder, what it reads, what it hands back, and how it is read again."""
