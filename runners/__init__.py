"""PyTorch jobs, and the places where they run; starting a job loads PyTorch in the job alone."""
