"""What people change by pages: each action asks first, with a bound of its cost, and is written down when done."""
