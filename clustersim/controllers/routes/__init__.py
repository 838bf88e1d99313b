"""Routes that split traffic by weight: their definitions, the gateway that takes them in, what they come to."""
