"""The run's one report: a page that needs no network and no other file."""
