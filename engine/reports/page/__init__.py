"""Sections of the report whose subjects have no page of their own yet."""
