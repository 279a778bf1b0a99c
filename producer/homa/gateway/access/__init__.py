"""Who may ask for what: keys and their roles, and what is asked of a request while no key has been made."""
