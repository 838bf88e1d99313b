"""Commands that look at an installation."""
