"""At which fraction of its size an original is decoded: a function of the original and the recipe alone."""

from __future__ import annotations

from fractions import Fraction

from renderer.formats import JPEG, PNG, WEBP, Format

# Format to denominators, each with how much larger than the result a decode at one by it stays.
#
# JPEG: what Pillow offers of libjpeg's n/8. Its small IDCTs are no Lanczos, so some spare pixels look better. Of 13 photographs fitted into
# 160, 320, 640 and 1280, with libvips, CPU time against sharp's (geometric mean), and the SSIM at the size where it is the worst compared
# to libvips' own thumbnails:
#   1: 0.68 (-.0019)   1.25: 0.70 (+.0004)   1.5: 0.73 (+.0005)   2: 0.78 (+.0007)
# PNG: averages of so many pixels a side, which nobody sees in a result that is half as large. WebP: libwebp scales by anything.
SPARES: dict[str, tuple[tuple[Fraction, Fraction], ...]] = {
    form.name: tuple((Fraction(denominator), Fraction(spare)) for denominator, spare in pairs)
    for form, pairs in (
        (JPEG, ((8, "5/4"), (4, "5/4"), (2, "5/4"))),
        (PNG, ((16, 2), (12, 2), (8, 2), (6, 2), (4, 2), (3, 2), (2, 2))),
        (WEBP, ((8, "5/4"), (6, "5/4"), (4, "5/4"), (3, "5/4"), ("5/2", "5/4"), (2, "5/4"), ("3/2", "5/4"))),
    )
}


def denominator(form: Format, wanted: Fraction, is_all: bool) -> Fraction:
    """1 or more: a picture of which the operations show `wanted` (a scale up to 1) is decoded at one by this. `is_all`: nothing is cut off.

    libwebp's own scaling is all that sharp and libvips do to a WebP. After it Lanczos would cost as much as the encoder's tenth part, and
    make files of a few kilobytes a tenth larger than theirs; so it is for what has to be cut as well.
    """
    if form is WEBP and is_all:
        return 1 / wanted
    return next((each for each, spare in SPARES[form.name] if wanted * spare * each <= 1), Fraction(1))
