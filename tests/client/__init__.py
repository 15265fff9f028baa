"""The client library: against files and SQLite, S3 and CouchDB, and a whole site."""
