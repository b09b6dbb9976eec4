"""Sources of observations behind one protocol."""
