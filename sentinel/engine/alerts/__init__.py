"""What an alert names, whose it is, and what it comes to."""
