"""GET /api/v1/openapi.json: what a listener answers, told by the routes that it serves."""
