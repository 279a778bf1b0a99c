"""`homa schedules`: a file for making one, one for looking, one for what is done to them."""
