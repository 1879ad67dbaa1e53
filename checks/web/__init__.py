"""What checks over HTTP share: requests, replies in HTTP/1 and HTTP/2, and what a body must be."""
