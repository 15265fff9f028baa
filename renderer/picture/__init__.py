"""Original and recipe to bytes: decode, colour, resample, encode. With `ops` the only importer of PIL; runs in render processes."""
