"""The Compare page: an input, its prediction, and maps of it side by side."""

from frontend.compare import (
    beside,
    browser,
    maps,
    numbers,
    page,
    params,
    samples,
    subject,
    welcome,
    whatif_card,
)
from frontend.pages import Page

PAGE = Page(
    "/",
    "Compare",
    page.layout,
    (page, subject, maps, beside, params, numbers, browser, samples, welcome, whatif_card),
    order=10,
)
