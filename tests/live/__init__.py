"""Tests against the real services: one small scene each, where a person allows it."""
