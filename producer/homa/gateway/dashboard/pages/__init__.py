"""The pages, a module each: what it asks of the store, and what its template is given."""
