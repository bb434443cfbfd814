"""Callbacks of the Compare page. Each is `async` (a sync one would block the very event loop that answers the API) or runs in the browser."""
