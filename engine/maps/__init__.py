"""Two coordinates for every row of one or several sets in one common space: a family of maps."""

from gapscope.core.registry import Registry

MAPS = Registry(
    "map",
    {
        "pca": "gapscope.maps.pca:PCA",
        "umap": "gapscope.maps.umap:UMAP",
        "tsne": "gapscope.maps.tsne:TSNE",
        "lda": "gapscope.maps.lda:LDA",
        "head": "gapscope.maps.head:HEAD",
    },
)
