"""Everything that is checked; mirrors `renderer/`."""
