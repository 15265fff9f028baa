"""The benchmarks: hits, misses and memory, as ratios to a peer that is measured in the same run. `make bench` writes bench/RESULTS.md.

Nothing here fails for being slow: a bound stands beside its figure, with met or not met, and a reader decides.
"""
