"""Fields that nobody reads without the customer's key."""
