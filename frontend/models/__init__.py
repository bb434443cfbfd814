"""The Models page: what can be explained, and a way to bring another network."""

from frontend.models import page
from frontend.pages import Page

PAGE = Page("/models", "Models", page.layout, (page,), order=60)
