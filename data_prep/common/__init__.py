"""What every command shares: files, errors, the command line, threads and processes. No astronomy."""
