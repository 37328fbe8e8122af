"""Figures: holdall against the libraries below it and its peers. ``python -m benchmarks [names]``, or ``make bench``.

Each library runs in a process of its own, peers in environments of their own (`benchmarks.peers`); measurements of all
libraries alternate within one run. Ratios hold from machine to machine, times do not.
"""
