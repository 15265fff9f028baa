"""What moves originals here from older systems: imports `renderer`, and is never imported by it."""
