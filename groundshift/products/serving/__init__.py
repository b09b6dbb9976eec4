"""A model artifact as a service: requests checked and read, scored, and answered."""
