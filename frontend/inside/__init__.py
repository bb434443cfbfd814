"""The Inside page: how a network reaches its decision, layer by layer and filter by filter, and how that grew in
training."""

from frontend.inside import choice, page, training
from frontend.pages import Page

PAGE = Page("/inside", "Inside", page.layout, (choice, training), order=20)
