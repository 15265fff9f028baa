"""How much of a JPEG is decoded: at 1/1, 1/2, 1/4 or 1/8 of its size, a function of the original and the recipe alone."""

from __future__ import annotations

from fractions import Fraction

# How much larger than the result a decode at one by each of these stays. libjpeg's small IDCTs are no Lanczos, so that spare pixels look
# better; and they cost little at 1/4 instead of 1/8, and much in a whole decode instead of 1/2: the Huffman codes, most of the work, have
# to be read for either. Of 13 photographs fitted into 160, 320, 640 and 1280, with libvips, CPU time against sharp's (geometric mean), and
# the SSIM at the size where it is the worst compared to libvips' own thumbnails:
#   1: 0.72 (-.0161)   1.25: 0.75 (-.0054)   1.5: 0.76 (-.0010)   2: 0.80 (-.0006)   2.5: 0.86 (+.0008)   these: 0.78 (+.0000)
SPARES = ((8, Fraction(5, 2)), (4, Fraction(2)), (2, Fraction(5, 4)))


def denominator(wanted: Fraction) -> int:
    """1, 2, 4 or 8: a picture of which the operations show `wanted` (a scale up to 1) is decoded at one by this."""
    return next((each for each, spare in SPARES if wanted * spare * each <= 1), 1)
