"""One module to each kind of workload, and what several of them share."""
