"""What a request may take from quotas and budgets, and the plans by which take checks them."""
