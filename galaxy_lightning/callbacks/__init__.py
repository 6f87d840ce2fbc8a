"""Lightning callbacks that save the results of a fit, an evaluation or a prediction."""
