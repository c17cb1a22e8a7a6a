"""Who checks us: an island that shares no code with what it judges."""
