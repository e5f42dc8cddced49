"""Training steps: phases, gradients, precision, weight averages, processes, checkpoints."""
