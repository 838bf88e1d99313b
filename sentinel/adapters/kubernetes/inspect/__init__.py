"""What the commands look up before anything runs."""
