"""How a candidate's share of the pods or of the traffic is moved."""
