"""Pictures of maps, from a thousand points to tens of millions: project, aggregate, transform, shade, and none sampled.

`cloud` keeps the points that can be drawn, `window` projects them on pixels, `aggregate` counts them there (with
datashader), `transform` turns counts into places on a scale, `shade` those into colours; `sheet` puts the rasters under
a title, above a key and a caption. Each other file is a kind of figure. datashader and numba are loaded by the first
aggregation and nowhere else.
"""
