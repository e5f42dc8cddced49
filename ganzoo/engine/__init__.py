"""Train steps: phases, gradients, precision, averages, processes, checkpoints."""
