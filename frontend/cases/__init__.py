"""The Cases page: recordings and pictures reviewed one by one, one's own reading first, then the model's."""

from frontend.cases import page, start
from frontend.pages import Page

PAGE = Page("/cases", "Cases", page.layout, (start,), order=40)
