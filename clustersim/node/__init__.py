"""What runs on the nodes: scheduler, kubelet stand-in, and the lives of pods."""
