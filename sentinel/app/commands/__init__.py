"""The sub-commands of the command line, a module to each group."""
