"""The monitor: runs the rules over the events of a drop copy joined with the NBBO."""
