"""Quote sources and their way to the topic nbbo as blocks.

`notation` says which source a text like ``csv:quotes.csv`` means; `files` has one reader a file format, `json_socket`
and `synthetic` are live sources. A new feed is one reader, named in `notation`.
"""

__all__ = ["notation", "rejects", "synthetic_market"]
