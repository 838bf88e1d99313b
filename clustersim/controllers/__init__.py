"""The controllers of the simulated control plane: workloads, garbage collection, node lifecycle."""
