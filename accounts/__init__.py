"""Who asks: users, their API tokens, and the viewer made from a request's credential."""
