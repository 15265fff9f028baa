"""The HTTP edge: environ to Reply, statuses, the FastCGI server, and nginx's configuration."""
