"""Pure decisions: keys, ranges, conditions, options, configuration. No I/O, standard library only."""
