"""Summaries of columns in bounded memory, that can be merged: one algorithm a file."""
