"""What MLflow's tracking store keeps of a run, and how two runs are compared."""
