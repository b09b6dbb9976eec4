"""From scores to dated change events."""
