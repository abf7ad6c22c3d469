"""Every GraphQL operation on every transport: requests, limits, documents, execution, errors."""
