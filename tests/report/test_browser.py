"""The page in a real browser: it opens, sorts, filters, zooms, slides and is driven by keys."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bfrbench.report.page import render
from bfrbench.report.runs import open_runs
from tests.report.conftest import COUNT, Made

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser: pip install playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, made: Made, tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "report.html"
    path.write_text(render(open_runs([made.input, made.bicubic])))
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 1400})
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.goto(path.as_uri())
    opened.wait_for_selector("html[data-ready]")
    yield opened
    assert wrong == []
    context.close()


def names(page: Any) -> list[str]:
    return [text.split("\n")[0].strip() for text in page.locator("#numbers tbody tr td:first-child").all_inner_texts()]


def test_a_heading_sorts_and_says_so(page: Any) -> None:
    heading = page.locator('#numbers [data-key="name"]')
    heading.click()
    assert names(page) == ["bicubic", "input"]
    page.locator('#numbers [data-key="name"]').press("Enter")
    assert names(page) == ["input", "bicubic"]
    assert page.locator("#numbers th").first.get_attribute("aria-sort") == "descending"


def test_pictures_are_loaded_when_they_come_into_view(page: Any) -> None:
    page.locator("#order").select_option("all")
    page.wait_for_function("document.querySelector('.card img').naturalWidth > 0")
    assert page.locator(".card").count() == 20
    assert page.locator(".card img").first.get_attribute("alt").startswith("noise-000000, input image")
    page.locator("#more").click()
    assert page.locator(".card").count() == COUNT
    assert not page.locator("#more").is_visible()


def test_the_gallery_is_filtered_and_ordered(page: Any) -> None:
    page.locator("#order").select_option("worst")
    worst = page.locator(".card").first.get_attribute("data-index")
    page.locator("#order").select_option("best")
    assert page.locator(".card").first.get_attribute("data-index") != worst
    page.locator("#order").select_option("failed")
    assert page.locator(".card").count() == 0
    page.locator("#order").select_option("all")
    page.locator("#find").fill("000007")
    assert page.locator(".card strong").all_text_contents() == ["noise-000007"]
    page.locator("#find").fill("")
    page.locator("#order").select_option("apart")
    assert page.locator("#other").is_visible()


def test_the_viewer_slides_zooms_and_follows_keys(page: Any) -> None:
    page.locator("#order").select_option("all")
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#viewer-title").inner_text() == "noise-000000"
    page.wait_for_function("document.getElementById('over').naturalWidth > 0")
    page.locator("#slider").fill("20")
    assert "20%" in page.locator("#over").evaluate("image => image.style.clipPath")
    page.locator("#zoom").fill("4")
    assert page.locator("#under").evaluate("image => getComputedStyle(image).transform").startswith("matrix(4")
    page.locator("#next").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#viewer-title").inner_text() == "noise-000001"
    page.locator("#right").select_option("3")
    assert "ground truth" in page.locator("#over").get_attribute("alt")
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()


def test_light_and_dark(page: Any) -> None:
    back = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(back)
    page.locator("#theme").click()
    assert page.evaluate(back) != before
    assert page.locator("#theme").inner_text() == "Light"


def test_charts_follow_the_metric(page: Any) -> None:
    assert page.locator("#spread svg polyline").count() == 2
    assert page.locator("#breakdowns svg").first.get_attribute("aria-label") == "psnr by severity"
    page.locator("#metric").select_option("probe-level")
    assert page.locator("#breakdowns svg").first.get_attribute("aria-label") == "probe-level by severity"
