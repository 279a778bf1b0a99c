"""What a request may take from quotas, and the plan by which take checks them."""
