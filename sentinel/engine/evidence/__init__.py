"""What is to be measured when, and what the rules make of it."""
