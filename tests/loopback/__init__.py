"""What the services on loopback share: server, TLS, faults, counting, kills."""
