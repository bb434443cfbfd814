"""The Inside page: how a network reaches its decision, layer by layer and filter by filter, and how that grew in
training."""

from frontend.inside import choice, page, study, training
from frontend.pages import Page

PAGE = Page("/inside", "Inside", page.layout, (choice, study, training), order=20)
