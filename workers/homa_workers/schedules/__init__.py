"""What workers do for schedules: fire ticks, run batches in processes of their own, deliver what came out."""
