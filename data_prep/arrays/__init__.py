"""Galaxy arrays: the format of the folder, and the commands that write and check it."""
