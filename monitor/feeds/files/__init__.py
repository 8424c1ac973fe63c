"""Readers of quote files, one a format."""
