"""What a user looks at: maps, catalogue, report."""
