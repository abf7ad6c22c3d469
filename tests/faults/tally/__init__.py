"""A table that runs write to by ctx.once: what each run did to the database, counted there."""
