"""The pure engine: events in order of time, joined with the NBBO, judged by the rules, told as findings.

A fill comes in through `engine`, waits in `sequencer`, meets its NBBO in `quote_book` and its order in `families` and
`order_state`, is shown to the rules by `verdicts`, and leaves as an execution (`fills`) and findings (`findings`).
`rule` is the contract of a rule, `policy` says which limits apply, `tape` is the notation of examples.
"""

__all__ = ["certainty", "engine", "joined", "orders", "policy", "quality", "rule", "snapshot", "tape"]
