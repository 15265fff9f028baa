"""Moving originals out of CouchDB, part by part."""
