"""The monitor: runs the rules over the events of a drop copy joined with the NBBO. Its rooms are its folders.

From the ground up: wire, process, config, kafka, venues, files, engine, policy, feeds, worker, replay, run, demo;
`cli` is the one command.
"""
