"""The folder of galaxy arrays: its format, and the commands that write and check it."""
