"""Floor 5: settings, the one place that builds objects, and the command line."""
