"""Findings as a dictionary first, text and pictures second."""
