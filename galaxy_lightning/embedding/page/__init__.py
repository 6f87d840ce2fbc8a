"""Template, style and script of the labelling page."""
