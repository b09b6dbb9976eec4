"""The map page: a static site that shows maps, events and series, from disk or any web server."""
