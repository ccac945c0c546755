"""Two coordinates for every row of one or several sets in one common space: a family of maps."""

from engine.core.registry import Registry

MAPS = Registry(
    "map",
    {
        "pca": "engine.maps.pca:PCA",
        "umap": "engine.maps.umap:UMAP",
        "tsne": "engine.maps.tsne:TSNE",
        "lda": "engine.maps.lda:LDA",
        "head": "engine.maps.head:HEAD",
    },
)
