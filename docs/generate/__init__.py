"""Writes the pages that follow from the code: ``python -m docs.generate``. Not part of the installed product."""
