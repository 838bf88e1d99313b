"""Tools that deploy workloads from another place: who keeps what, and our holds on them."""
