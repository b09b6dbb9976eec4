"""What the store can tell of an artifact, and how it is had again."""
