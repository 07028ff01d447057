"""The studio: a web page and an HTTP API over the same functions (`impasto serve`)."""
