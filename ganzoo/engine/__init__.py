"""Run training steps: phases, gradients, precision, weight averages, several processes; save checkpoints."""
