"""The stack stage."""
