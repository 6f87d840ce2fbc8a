"""The process: random numbers, memory, and the ranks of a command."""
