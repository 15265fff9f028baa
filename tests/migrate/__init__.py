"""Moving here from older systems: what each tool takes, what it leaves, and that it can be stopped and repeated at any point."""
