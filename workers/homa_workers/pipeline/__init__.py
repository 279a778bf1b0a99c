"""What happens to a job from take to settle, and the steps of its call."""
