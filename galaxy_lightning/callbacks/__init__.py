"""What a fit, an evaluation or a prediction leaves behind."""
