"""How the admin writes times: to the second, and sortable by eye; all are UTC."""
