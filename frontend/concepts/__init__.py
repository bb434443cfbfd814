"""The Concepts page: what a network recognises, where, and how much it counts."""

from frontend.concepts import callbacks, page
from frontend.pages import Page

PAGE = Page("/concepts", "Concepts", page.layout, (callbacks,), order=30)
