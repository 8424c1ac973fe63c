"""The pure engine: events in order of time, joined with the NBBO, judged by the rules, told as findings."""
