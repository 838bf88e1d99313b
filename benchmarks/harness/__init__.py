"""What the benchmarks share: child processes, a simulated world, the daemon under load, tables of figures."""
