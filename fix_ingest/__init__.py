"""Turns drop-copy bytes into events."""
