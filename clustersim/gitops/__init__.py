"""Tools that deploy from Git, as far as they concern what others change in the cluster: Argo CD and Flux."""
