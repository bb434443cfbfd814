"""The Measure page: which explanations are good ones, for one network on many inputs."""

from frontend.measure import page, start
from frontend.pages import Page

PAGE = Page("/measure", "Measure", page.layout, (start,), order=30)
