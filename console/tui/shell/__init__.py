"""The application around the views: entry, signals, the way from view to view, alarms."""
