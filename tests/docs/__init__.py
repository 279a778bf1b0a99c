"""The documents are true: what they show is run, what is generated is current, what they link to is there."""
