"""The Concepts page: what a network recognises, where, and how much it counts."""

from frontend.concepts import choice, examples, library, link, page, price, run
from frontend.pages import Page

PAGE = Page("/concepts", "Concepts", page.layout, (choice, link, price, run, library, examples), order=30)
