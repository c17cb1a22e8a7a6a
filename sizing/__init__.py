"""What a workload needs: bytes, memory, connections, a server, and what it costs."""
