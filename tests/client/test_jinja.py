"""Filters in templates: safe as they are, escaped where a title is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db.models import ImageField
from django.db.models.fields.files import FieldFile
from jinja2 import Environment

from renderer import client
from renderer.client.django import ImageStorage
from tests.e2e.site import jpeg


@pytest.fixture
def environment(installed: Path) -> Environment:
    return Environment(autoescape=True, extensions=["renderer.client.jinja.Images"])


def test_a_template_shows_an_image(environment: Environment) -> None:
    imageid = client.save_image(jpeg(), title='Käse & "Wurst"')
    template = environment.from_string("{{ image | image_tag('thumb', class_='photo') }}")
    assert template.render(image=imageid) == (
        f'<img src="http://i.hdimg.net/50x200/{imageid}/K_se-_-_Wurst_.jpeg" width="50" height="37" class="photo"'
        ' alt="Käse &amp; &quot;Wurst&quot;" />'
    )


@pytest.mark.parametrize(
    ("template", "said"),
    [
        pytest.param("{{ image | image_url }}", "http://i.hdimg.net/o/ID/x.jpeg", id="the original"),
        pytest.param("{{ image | image_url('square') }}", "http://i.hdimg.net/75x75!/ID/x.jpeg", id="a size"),
        pytest.param("{{ image | image_srcset('thumb') }}", "http://i.hdimg.net/50x200/ID/x.jpeg 50w", id="a srcset"),
    ],
)
def test_a_template_names_an_image(environment: Environment, template: str, said: str) -> None:
    imageid = client.save_image(jpeg(), filename="x.jpeg")
    assert environment.from_string(template).render(image=imageid) == said.replace("ID", imageid)


def test_a_template_offers_a_picture(environment: Environment) -> None:
    imageid = client.save_image(jpeg())
    made = environment.from_string("{{ image | picture_tag(['thumb', 'vga'], sizes_='50vw') }}").render(image=imageid)
    assert made.startswith('<picture><source type="image/avif"')
    assert made.endswith(' alt="image.jpeg" /></picture>')


@pytest.mark.parametrize("name", ["image_url", "image_tag", "image_srcset", "picture_tag(['thumb'])"])
@pytest.mark.parametrize("image", ["", None], ids=repr)
def test_no_image_shows_nothing(environment: Environment, name: str, image: str | None) -> None:
    assert environment.from_string(f"{{{{ image | {name} }}}}").render(image=image) == ""


@pytest.mark.parametrize("autoescape", [True, False], ids=["escaping", "not escaping"])
def test_H_B15_what_a_template_escaped_is_escaped_once_and_surely(installed: Path, autoescape: bool) -> None:
    environment = Environment(autoescape=autoescape, extensions=["renderer.client.jinja.Images"])
    text = "{% set text %}{{ said }}{% endset %}"
    template = environment.from_string(text + "{{ image | image_tag('square', alt=text, data_x=text | e) }}")
    shown = template.render(image=client.save_image(jpeg(), filename="x.jpeg"), said='"><b>&')
    assert shown.endswith(' alt="&quot;&gt;&lt;b&gt;&amp;" data_x="&quot;&gt;&lt;b&gt;&amp;" />')


def test_a_template_shows_the_file_of_a_model(environment: Environment) -> None:
    imageid = client.save_image(jpeg(), filename="x.jpeg")
    files = {"file": FieldFile(None, ImageField(storage=ImageStorage()), imageid), "none": FieldFile(None, ImageField(), None)}
    template = environment.from_string("{{ file | image_url }} {{ file | image_srcset('thumb') }} {{ none | image_tag }}")
    assert template.render(files) == f"http://i.hdimg.net/o/{imageid}/x.jpeg http://i.hdimg.net/50x200/{imageid}/x.jpeg 50w "
