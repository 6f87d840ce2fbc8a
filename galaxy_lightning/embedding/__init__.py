"""Tables of features of galaxies: similar galaxies, and those to label next."""
