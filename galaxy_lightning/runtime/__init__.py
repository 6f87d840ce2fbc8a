"""How the process behaves: random numbers, memory, ranks."""
