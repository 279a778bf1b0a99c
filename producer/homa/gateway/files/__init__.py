"""Files of the gateway: uploaded, stored in parts, read by whoever may."""
